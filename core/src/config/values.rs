//! Values of the configuration, and the settings of other parts that derive from them.

use alloc::string::String;
use core::time::Duration;

use crate::config::limits::Config;
use crate::proto::http::{HeadLimits, Hosts, Pages};
use crate::proto::proxy::Proxies;
use crate::proto::ws::deflate::Terms;
use crate::proto::ws::upgrade::{Origins, Policy};
use crate::proto::ws::{MessageLimits, MinRate};

impl Config {
    /// Returns the seed of everything random: hashes of channels, times of first pings, delays between
    /// attempts at a task.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of shards.
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// Returns whether messages are compressed for clients that offer permessage-deflate (RFC 7692).
    pub const fn compression(&self) -> bool {
        self.compression
    }

    /// Returns the origins whose pages may connect besides the server's own.
    pub const fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Returns the host names of the server.
    pub const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Returns the proxies that are trusted to say the address of their client.
    pub const fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Returns whether the limits per address hold for loopback addresses too.
    pub const fn limits_loopback(&self) -> bool {
        self.limits_loopback
    }

    /// Returns whether a connection that sends faster than it may is closed.
    pub const fn closes_excess(&self) -> bool {
        self.closes_excess
    }

    /// Returns the pages that are answered without the application.
    pub const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Returns the limits of a request head.
    pub const fn head_limits(&self) -> HeadLimits {
        HeadLimits {
            bytes: self.max_head,
            fields: self.max_headers,
        }
    }

    /// Returns the rules by which requests are upgraded, refused or answered with a page.
    pub fn upgrade_policy(&self) -> Policy<'_> {
        Policy {
            paths: &self.websocket_paths,
            hosts: &self.hosts,
            origins: &self.origins,
            subprotocols: &self.subprotocols,
            deflate: self.compression.then(|| self.deflate_terms(true)),
            pages: &self.pages,
        }
    }

    /// Returns the terms for offers of permessage-deflate. `has_room` states whether there is memory
    /// for contexts.
    pub(crate) const fn deflate_terms(&self, has_room: bool) -> Terms {
        Terms {
            window_bits: self.compression_window as u8,
            contexts: has_room && self.compression_contexts > 0,
        }
    }

    /// Returns the supported subprotocols in order of preference (RFC 6455 §1.9).
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Returns the limits of received messages.
    pub(crate) const fn message_limits(&self) -> MessageLimits {
        MessageLimits {
            bytes: self.max_message,
            empty_fragments: self.max_empty_fragments as u32,
        }
    }

    /// Returns the minimum rate at which peers read, if there is one.
    pub(crate) fn read_rate(&self) -> Option<MinRate> {
        MinRate::new(self.min_read_rate, self.rate_window)
    }

    /// Returns the minimum rate at which peers send a message, if there is one.
    pub(crate) fn send_rate(&self) -> Option<MinRate> {
        MinRate::new(self.min_send_rate, self.rate_window)
    }

    /// Returns the lateness of a timer that is normal under load: one tick, since timers are rounded
    /// up, and another one for other work.
    pub(crate) fn timer_tolerance(&self) -> Duration {
        self.tick() * 2
    }

    /// Returns the resolution of timers: a sixteenth of the shortest timeout. A timer fires at most
    /// that late.
    pub fn tick(&self) -> Duration {
        let shortest = self
            .write_timeout
            .min(self.pong_wait)
            .min(self.ping_interval)
            .min(self.handshake_timeout)
            .min(self.answer_timeout)
            .min(self.close_timeout)
            .min(self.rate_window);
        shortest / 16
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::defaults()
    }
}
