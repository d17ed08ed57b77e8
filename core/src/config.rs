//! Owns every limit of the core and the one place where limits are checked.
//! A [`Config`] that exists is valid: it is parsed here, not validated later.
//! Where a value comes from (a flag, a file) is the caller's business.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::{ConfigError, Unit};
use crate::proto::ws::deflate;
use crate::proto::ws::deflate::Terms;
use crate::proto::ws::upgrade::{HostPattern, Origin};
use crate::proto::ws::{MessageLimits, MinRate};
use crate::time::micros;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $default:expr, $min:expr, $max:expr;)*) => {
        /// The checked limits of one server; every shard has the same.
        #[derive(Clone, Debug)]
        pub struct Config {
            pub(crate) seed: u64,
            pub(crate) origins: Origins,
            pub(crate) hosts: Hosts,
            pub(crate) metrics_page: bool,
            pub(crate) subprotocols: Vec<String>,
            pub(crate) shards: u16,
            pub(crate) compression: bool,
            pub(crate) compression_own_broadcasts: bool,
            $(pub(crate) $name: limits!(@type $kind),)*
        }

        /// Collects limits; [`build`](Self::build) checks them all.
        #[derive(Clone, Debug)]
        #[must_use]
        pub struct ConfigBuilder(Config);

        impl ConfigBuilder {
            $($(#[$doc])*
            pub fn $name(mut self, value: limits!(@type $kind)) -> Self {
                self.0.$name = value;
                self
            })*

            fn check_ranges(&self) -> Result<(), ConfigError> {
                $(limits!(@check $kind, stringify!($name), self.0.$name, $min, $max);)*
                Ok(())
            }
        }

        impl Config {
            $($(#[$doc])*
            pub const fn $name(&self) -> limits!(@type $kind) {
                self.$name
            })*

            fn defaults() -> Self {
                Self {
                    seed: 0,
                    origins: Origins::default(),
                    hosts: Hosts {
                        any: true,
                        allowed: Vec::new(),
                    },
                    metrics_page: true,
                    subprotocols: Vec::new(),
                    shards: 1,
                    compression: false,
                    compression_own_broadcasts: false,
                    $($name: $default,)*
                }
            }

            /// Every limit by its name in the builder: unit, smallest, default and largest
            /// value, durations in milliseconds. For help texts.
            pub const RANGES: &'static [Range] = &[$(limits!(@range $kind, stringify!($name), $min, $default, $max),)*];
        }
    };
    (@type bytes) => { usize };
    (@type count) => { usize };
    (@type time) => { Duration };
    (@check time, $key:expr, $value:expr, $min:expr, $max:expr) => {
        within($key, Unit::Milliseconds, micros($value) / 1_000, micros($min) / 1_000, micros($max) / 1_000)?
    };
    (@check bytes, $key:expr, $value:expr, $min:expr, $max:expr) => {
        within($key, Unit::Bytes, $value as u64, $min as u64, $max as u64)?
    };
    (@check count, $key:expr, $value:expr, $min:expr, $max:expr) => {
        within($key, Unit::Count, $value as u64, $min as u64, $max as u64)?
    };
    (@range time, $key:expr, $min:expr, $default:expr, $max:expr) => {
        Range { key: $key, unit: Unit::Milliseconds, min: micros($min) / 1_000, default: micros($default) / 1_000, max: micros($max) / 1_000 }
    };
    (@range bytes, $key:expr, $min:expr, $default:expr, $max:expr) => {
        Range { key: $key, unit: Unit::Bytes, min: $min as u64, default: $default as u64, max: $max as u64 }
    };
    (@range count, $key:expr, $min:expr, $default:expr, $max:expr) => {
        Range { key: $key, unit: Unit::Count, min: $min as u64, default: $default as u64, max: $max as u64 }
    };
}

limits! {
    /// The longest message taken from a peer, in bytes of payload; a longer one is answered with
    /// close code 1009.
    max_message: bytes = MIB, 1, GIB;
    /// The most fragments without payload in one message, since they bring it no nearer to
    /// `max_message`; one more is answered with close code 1008.
    max_empty_fragments: count = 256, 0, 1 << 20;
    /// The longest request head (request line and headers), in bytes; a longer one gets 431.
    max_head: bytes = 8 * KIB, 256, 64 * KIB;
    /// The most header fields in a request; one more gets 431.
    max_headers: count = 64, 8, MAX_HEADERS;
    /// Messages that may wait for one connection.
    queue_messages: count = 256, 1, 1 << 20;
    /// Bytes, frame headers included, that may wait for one connection. An empty queue takes one
    /// message of any size.
    queue_bytes: bytes = 4 * MIB, 128, GIB;
    /// After how many messages in order of urgency one goes next that has waited longer than
    /// `starvation_wait`, if there is one; with 0 the urgent always go first.
    starvation_after: count = 0, 0, 10_000;
    /// How long a message has to have waited for that.
    starvation_wait: time = Duration::from_secs(1), Duration::from_millis(1), HOUR;
    /// Roughly how many bytes are handed to one write; a longer frame still goes out whole.
    write_batch: bytes = 64 * KIB, KIB, 4 * MIB;
    /// How much the kernel may hold of a connection that it cannot send yet, in bytes, where the
    /// peer is slow or messages of different priorities wait. Nothing overtakes it.
    unsent_bytes: bytes = 32 * KIB, 4 * KIB, GIB;
    /// The same where a peer keeps up: it may grow to what the peer takes in 25 ms, and this at
    /// most. Not above `unsent_bytes`, the limit is fixed.
    unsent_bytes_max: bytes = MIB, 4 * KIB, GIB;
    /// Rooms that one connection may be in; one more is refused, and the application is told.
    rooms_per_connection: count = 64, 1, KIB;
    /// Members that a publication is queued for at a time. What is published to a channel with
    /// more of them on a shard is queued in slices, between which the shard sees to the rest.
    fan_out_slice: count = 1_024, 1, 1 << 16;
    /// Commands from outside the shards that may be under way.
    remote_commands: count = 1_024, 1, 1 << 20;
    /// Publications, and messages to one connection, that one shard may have under way to another,
    /// or to channels of its own with more members than `fan_out_slice`.
    credit_messages: count = 256, 1, 1 << 20;
    /// Bytes of them; with none under way, one of any size may go.
    credit_bytes: bytes = 4 * MIB, 128, GIB;
    /// The level of compression: 1 is the fastest, 9 the smallest.
    compression_level: count = 6, 1, 9;
    /// The shortest message that is compressed, in bytes of payload.
    compression_threshold: bytes = 256, 1, GIB;
    /// The largest window of compression on either side, in bits.
    //= https://www.rfc-editor.org/rfc/rfc7692#section-7.3
    //# To obtain a useful compression ratio, an LZ77 sliding window size of
    //# 1,024 or more is RECOMMENDED.
    compression_window: count = 15, 9, 15;
    /// Memory for compression contexts of single connections, in bytes a shard. A connection for
    /// which it does not suffice keeps no context; with 0 none does.
    compression_contexts: bytes = 0, 0, 64 * GIB;
    /// Memory for connections and what waits for them, in bytes, an even part for each shard; 0 is
    /// without end, else at least 1 MiB a shard. From seven eighths on new connections are refused
    /// with 503; past it, what waits for those who take nothing is dropped, the least urgent first.
    /// Messages that have not come to their end may take half of it; who then sends more of one is
    /// closed with 1013. What the kernel keeps for sockets is not counted.
    memory_budget: bytes = 0, 0, 1_024 * GIB;
    /// How long a peer may take none of the bytes that wait for it before it is cut off.
    write_timeout: time = Duration::from_secs(10), MS_10, HOUR;
    /// The slowest rate at which a peer may take what waits for it, in bytes a second. One that
    /// is behind by `rate_window` is closed with 1008. With 0 any rate will do.
    min_read_rate: bytes = 256, 0, GIB;
    /// The slowest rate at which a peer may send a message of which more than 4 KiB have come, in
    /// bytes a second. One that is behind by `rate_window` is closed with 1008. With 0 any rate
    /// will do.
    min_send_rate: bytes = 256, 0, GIB;
    /// How far behind `min_read_rate` or `min_send_rate` a peer may be: as long as that it may
    /// take or send nothing, and twice as long be half as fast.
    rate_window: time = Duration::from_secs(60), MS_10, HOUR;
    /// How long a connection may stay silent before it is closed, from the last byte received.
    pong_wait: time = Duration::from_secs(60), MS_10, DAY;
    /// How long a connection may stay silent before it is pinged; shorter than `pong_wait`.
    ping_interval: time = Duration::from_secs(54), MS_10, DAY;
    /// How long a peer may take for its request head.
    handshake_timeout: time = Duration::from_secs(5), MS_10, HOUR;
    /// How long a peer may take to answer a close frame, and then to close its side.
    close_timeout: time = Duration::from_secs(5), MS_10, HOUR;
    /// Tasks that one shard may have under way, those that wait for a worker included. A connection
    /// that has one more is not read until it is its turn. With 0 there is no such bound, and a task
    /// that the dispatcher has no room for is refused.
    task_credits: count = 0, 0, 1 << 20;
    /// How often a task is tried.
    task_attempts: count = 3, 1, 100;
    /// The longest wait before a task is tried a second time, twice as long before each further
    /// attempt; a random part of that is waited.
    task_backoff: time = Duration::from_secs(1), MS_1, HOUR;
    /// The longest wait between two attempts, however many there were.
    task_backoff_max: time = Duration::from_secs(60), MS_1, DAY;
    /// How long an attempt at a task may take before it counts as failed.
    task_timeout: time = Duration::from_secs(30), MS_10, DAY;
    /// Tasks that are kept when they have failed for good; the oldest makes room for one more.
    dead_letters: count = 1_024, 0, 1 << 20;
    /// Connections of which it is remembered, for a while, why they ended; a shard. The oldest
    /// makes room for one more.
    gone_connections: count = 1_024, 0, 1 << 20;
}

impl Config {
    /// A builder that holds the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder(Self::defaults())
    }

    /// The seed of everything that looks random: room hashing, the spread of first pings, waits
    /// between attempts at a task.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// How many shards the server has.
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// Whether messages are compressed for those who offer permessage-deflate (RFC 7692).
    pub const fn compression(&self) -> bool {
        self.compression
    }

    /// Whether what is said to many is compressed anew for each member that keeps a context of its
    /// own. Otherwise such a member gets it as it is.
    pub const fn compression_own_broadcasts(&self) -> bool {
        self.compression_own_broadcasts
    }

    /// Which pages of other origins may connect.
    pub const fn origins(&self) -> &Origins {
        &self.origins
    }

    /// By which hosts the server may be addressed.
    pub const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Whether `/metrics` is among the pages.
    pub const fn metrics_page(&self) -> bool {
        self.metrics_page
    }

    /// What is agreed to of an offer of permessage-deflate, where there is room for
    /// contexts or none.
    pub(crate) const fn deflate_terms(&self, has_room: bool) -> Terms {
        Terms {
            window_bits: self.compression_window as u8,
            contexts: has_room && self.compression_contexts > 0,
        }
    }

    /// The subprotocols that the server speaks, the one it likes best first
    /// (RFC 6455 §1.9).
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// What a peer may send.
    pub(crate) const fn message_limits(&self) -> MessageLimits {
        MessageLimits {
            bytes: self.max_message,
            empty_fragments: self.max_empty_fragments as u32,
        }
    }

    /// The rate at which peers have to take what waits for them, if there is one.
    pub(crate) fn read_rate(&self) -> Option<MinRate> {
        MinRate::new(self.min_read_rate, self.rate_window)
    }

    /// The rate at which peers have to send a message, if there is one.
    pub(crate) fn send_rate(&self) -> Option<MinRate> {
        MinRate::new(self.min_send_rate, self.rate_window)
    }

    /// Returns by how much a timer may be late as long as all is well: by one tick, since it is
    /// rounded up to one, and by another for whatever else there is to do.
    pub(crate) fn timer_tolerance(&self) -> Duration {
        self.tick() * 2
    }

    /// The step in which timers are looked at: a sixteenth of the shortest interval, so a timer
    /// fires at most that much late.
    pub fn tick(&self) -> Duration {
        let shortest = self
            .write_timeout
            .min(self.pong_wait)
            .min(self.ping_interval)
            .min(self.handshake_timeout)
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

impl ConfigBuilder {
    /// The seed of everything that looks random; a server takes it from the operating system, a
    /// test writes it down.
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// How many shards the server has.
    pub fn shards(mut self, shards: u16) -> Self {
        self.0.shards = shards;
        self
    }

    /// Whether messages are compressed for those who offer permessage-deflate (RFC 7692). Without
    /// the feature `deflate` nobody's offer is accepted.
    pub fn compression(mut self, compression: bool) -> Self {
        self.0.compression = compression && deflate::IS_BUILT;
        self
    }

    /// Whether what is said to many is compressed anew for each member that keeps a context of its
    /// own, which costs a compression a member. Otherwise such a member gets it as it is.
    pub fn compression_own_broadcasts(mut self, own: bool) -> Self {
        self.0.compression_own_broadcasts = own;
        self
    }

    /// Which pages of other origins may connect.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.0.origins = origins;
        self
    }

    /// By which hosts the server may be addressed; any, unless this says otherwise.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.0.hosts = hosts;
        self
    }

    /// Whether `/metrics` is among the pages, as it is unless this says otherwise.
    pub fn metrics_page(mut self, shown: bool) -> Self {
        self.0.metrics_page = shown;
        self
    }

    /// The subprotocols that the server speaks, the one it likes best first. The first that a
    /// client offers is chosen, unless the application chooses otherwise.
    pub fn subprotocols(mut self, subprotocols: Vec<String>) -> Self {
        self.0.subprotocols = subprotocols;
        self
    }

    /// Checks every limit against its range, and the limits against each other.
    ///
    /// # Errors
    /// The first limit that is out of its range, by name, with the range.
    pub fn build(self) -> Result<Config, ConfigError> {
        self.check_ranges()?;
        within("shards", Unit::Count, self.0.shards.into(), 1, MAX_SHARDS)?;
        let least_memory = u64::from(self.0.shards) * MIB as u64;
        if self.0.memory_budget > 0 {
            let (budget, most) = (self.0.memory_budget as u64, 1_024 * GIB as u64);
            within("memory_budget", Unit::Bytes, budget, least_memory, most)?;
        }
        let below_pong_wait = (micros(self.0.pong_wait) / 1_000).saturating_sub(1);
        within(
            "ping_interval",
            Unit::Milliseconds,
            micros(self.0.ping_interval) / 1_000,
            micros(MS_10) / 1_000,
            below_pong_wait,
        )?;
        Ok(self.0)
    }
}

/// Which `Origin` a browser's request may carry (RFC 6455 §10.2). A request without one (not a
/// browser) and one of the same origin as its `Host` always pass.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Whether pages of any loopback origin pass, as is right while the server itself listens on
    /// loopback only.
    pub loopback: bool,
    /// Whether every origin passes.
    pub any: bool,
    /// The origins that pass besides.
    pub allowed: Vec<Origin>,
}

/// By which hosts a server may be addressed, so that no page passes for one of its own
/// whose name somebody has made resolve to this machine. A request without `Host` (of
/// HTTP/1.0), to an address, to `localhost` or a name below that always passes.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Whether every host passes, as is right for a server that does not know all of its
    /// names.
    pub any: bool,
    /// The hosts that pass besides.
    pub allowed: Vec<HostPattern>,
}

/// The range of one limit, as [`Config::RANGES`] lists it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Range {
    /// The limit's name in the builder.
    pub key: &'static str,
    /// What the numbers count.
    pub unit: Unit,
    /// The smallest value allowed.
    pub min: u64,
    /// The value when none is given.
    pub default: u64,
    /// The largest value allowed.
    pub max: u64,
}

fn within(
    key: &'static str,
    unit: Unit,
    value: u64,
    min: u64,
    max: u64,
) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError {
            key,
            unit,
            value,
            min,
            max,
        })
    }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const MS_1: Duration = Duration::from_millis(1);
const MS_10: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Room for parsed headers is on the stack, so their number has a fixed end.
pub(crate) const MAX_HEADERS: usize = 128;
const MAX_SHARDS: u64 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::builder().build().expect("defaults are in range");
        for range in Config::RANGES {
            assert!(
                range.min <= range.default && range.default <= range.max,
                "{}",
                range.key
            );
        }
    }

    #[test]
    fn each_edge_is_in_and_one_past_it_is_out() {
        let build = |n| Config::builder().max_message(n).build();
        assert!(build(1).is_ok() && build(GIB).is_ok());
        let error = build(0).expect_err("below the range");
        assert_eq!(
            (error.key, error.value, error.min, error.max),
            ("max_message", 0, 1, GIB as u64)
        );
        assert!(build(GIB + 1).is_err());
    }

    #[test]
    fn a_memory_budget_is_none_or_enough_for_every_shard() {
        let build = |budget| Config::builder().shards(2).memory_budget(budget).build();
        assert!(build(0).is_ok() && build(2 * MIB).is_ok());
        let error = build(2 * MIB - 1).expect_err("too little");
        assert_eq!((error.key, error.min), ("memory_budget", 2 << 20));
    }

    #[test]
    fn a_ping_must_come_before_the_pong_wait_ends() {
        let build = |ping, wait| {
            Config::builder()
                .ping_interval(Duration::from_millis(ping))
                .pong_wait(Duration::from_millis(wait))
                .build()
        };
        assert!(build(99, 100).is_ok());
        let error = build(100, 100).expect_err("no time for the pong");
        assert_eq!((error.key, error.max), ("ping_interval", 99));
    }
}
