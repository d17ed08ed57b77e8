//! What a backend does to a client: subscriptions made and ended, another expiry, the end.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use bytes::Bytes;
use stentor_core::Handler;
use stentor_core::channels::{Since, Subscribed};

use super::rules::SubscriptionWishes;
use super::subscribe::{SubscriptionSource, subscribe_result};
use super::subscriptions::PendingReply;
use super::timers::expiry_info;
use super::{SessionCall, SessionPhase};
use crate::client_protocol::{
    DisconnectCode, DisconnectPush, PushEvent, SubscribePush, UnsubscribeCode, reconnects_after,
};
use crate::publication_encoding::DecodedPublication;
use crate::token::Overrides;
use crate::transport::Transport;

/// A subscription that a backend makes for a client.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionOrder<'a> {
    pub(crate) channel: &'a str,
    pub(crate) expires_at: Option<NonZeroU64>,
    pub(crate) chan_info: &'a [u8],
    pub(crate) data: &'a [u8],
    pub(crate) recovers_since: Option<Since>,
    pub(crate) overrides: Overrides,
}

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Returns the user, empty if anonymous.
    pub(crate) fn user(&self) -> &str {
        &self.session.user
    }

    /// Returns the id of the client.
    pub(crate) fn client(&self) -> u64 {
        self.session.client
    }

    /// Returns what carries its messages.
    pub(crate) fn transport(&self) -> Transport {
        self.session.link.transport
    }

    /// Returns the name of the codec.
    pub(crate) const fn protocol_name(&self) -> &'static str {
        self.session.link.codec.name()
    }

    /// Returns whether this is the secret with which requests bring commands of the client.
    pub(crate) fn has_secret(&self, secret: &str) -> bool {
        self.settings.session_key.connection(secret) == Some(self.ctx.id())
    }

    /// Returns the channels of the subscriptions.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        self.session.subscriptions.channels()
    }

    /// Subscribes the client, which is told when the channel has answered. Nothing happens if it is
    /// subscribed already, or may have no further subscription.
    pub(crate) fn subscribe_by_backend(&mut self, order: &SubscriptionOrder<'_>) {
        let is_established = matches!(self.session.phase, SessionPhase::Established);
        let subscriptions = &self.session.subscriptions;
        if !is_established
            || subscriptions.get(order.channel).is_some()
            || subscriptions.len() >= self.settings.client.channel_limit
        {
            return;
        }
        let Ok(resolved) = self.settings.namespaces.resolve(order.channel) else {
            return;
        };
        let wishes = SubscriptionWishes {
            recovers_since: order.recovers_since,
            ..SubscriptionWishes::default()
        };
        let source = SubscriptionSource {
            command: 0,
            is_server_side: true,
            replaces_others: false,
            expires_at: order.expires_at,
            chan_info: order.chan_info,
            data: order.data,
            overrides: order.overrides,
            filter: Bytes::new(),
        };
        self.make_subscription(resolved, &wishes, &source);
    }

    /// Tells the client of a subscription that a backend has made, and what it has missed.
    pub(super) fn push_subscribe(&mut self, pending: &PendingReply, answer: &Subscribed) {
        let channel = core::str::from_utf8(&answer.channel).unwrap_or_default();
        let result = subscribe_result(pending, answer, &[]);
        let push = SubscribePush {
            recoverable: result.recoverable,
            epoch: result.epoch,
            offset: result.offset,
            positioned: result.positioned,
            data: result.data,
        };
        self.push(channel, PushEvent::Subscribe(push));
        let codec = self.session.link.codec;
        for kept in &answer.publications {
            let decoded = DecodedPublication::new(codec, kept);
            self.push(channel, PushEvent::Publication(decoded.as_publication()));
            if matches!(self.session.phase, SessionPhase::Closing) {
                return;
            }
        }
        self.flush();
        self.set_timer();
    }

    /// Ends the subscription to a channel, or all subscriptions.
    pub(crate) fn unsubscribe_by_backend(&mut self, channel: Option<&str>) {
        if !matches!(self.session.phase, SessionPhase::Established) {
            return;
        }
        let channels: Vec<Box<str>> = match channel {
            Some(channel) => Vec::from([channel.into()]),
            None => self.channels().map(Into::into).collect(),
        };
        for channel in &channels {
            let stats = &mut self.shared.stats.namespaces;
            if self.session.subscriptions.leave(channel, stats) {
                self.flush();
                self.ctx.unsubscribe(channel.as_bytes());
                self.push_unsubscribe(channel, UnsubscribeCode::Server);
            }
        }
        self.flush();
    }

    /// Lets the connection expire at another time, or never, or at once.
    pub(crate) fn refresh_by_backend(&mut self, expires_at: Option<u64>, info: &[u8]) {
        if !matches!(self.session.phase, SessionPhase::Established) {
            return;
        }
        if !info.is_empty() {
            self.session.conn_info = info.into();
            self.session.member = None;
        }
        self.session.expires_at = expires_at.and_then(NonZeroU64::new);
        let expiry = expiry_info(expires_at, self.unix_now());
        self.push("", PushEvent::Refresh(expiry));
        self.flush();
        self.set_timer();
    }

    /// Closes the connection with a code of the protocol, or of the backend's own.
    pub(crate) fn disconnect_by_backend(&mut self, code: u16, reason: &str) {
        let known = DisconnectCode::ALL.iter().copied();
        let known = known.into_iter().find(|known| known.number() == code);
        if let Some(known) = known.filter(|known| reason.is_empty() || reason == known.reason()) {
            return self.disconnect(known);
        }
        if let Some(known) = known
            && !matches!(self.session.phase, SessionPhase::Closing)
        {
            self.shared.stats.add_disconnect(known);
        }
        self.close(DisconnectPush {
            code,
            reason,
            reconnect: reconnects_after(code),
        });
    }
}
