//! Options of a message that waits in a queue: priority, time to live, key, overflow policy and
//! receipt. `priority` implements them.

use core::time::Duration;

use crate::delivery::frame::{FrameMeta, Key, Rank};
use crate::time::Timestamp;

/// How a message is to be treated on its way to each connection.
///
/// A number is a priority and nothing else, so the simple call stays simple:
/// `ctx.reply(kind, 100, payload)`.
///
/// ```
/// use core::time::Duration;
/// use stentor_core::{SendOptions, OverflowPolicy};
///
/// // The price of share 17: nobody wants it late, or but the last.
/// let price = SendOptions::new(50)
///     .ttl(Duration::from_secs(2))
///     .key(17)
///     .overflow(OverflowPolicy::DropOldest);
/// assert_eq!(price.priority(), 50);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendOptions {
    pub(crate) priority: u8,
    pub(crate) ttl: Option<Duration>,
    pub(crate) key: Option<u64>,
    pub(crate) overflow: OverflowPolicy,
    pub(crate) receipt: Option<u64>,
    pub(crate) exclude_sender: bool,
}

/// What becomes of a message for a connection whose queue is full. What has
/// outlived its [`ttl`](SendOptions::ttl) goes first in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum OverflowPolicy {
    /// The newest of the least urgent messages go, if they are less urgent than
    /// it and that makes room; otherwise it is refused.
    #[default]
    EvictLower,
    /// It is refused.
    DropNew,
    /// The oldest of the least urgent messages go, if they are not more urgent
    /// than it and that makes room; otherwise it is refused.
    DropOldest,
    /// It takes the place of the newest waiting message with its key; otherwise
    /// it is refused. As long as there is room, its key means nothing: who keeps
    /// up gets every message, who does not gets the latest.
    Conflate,
    /// The connection is closed with code 1013, whatever else could be done: who
    /// does not keep up is to come back and begin anew.
    Disconnect,
}

impl SendOptions {
    /// This priority, the smaller the more urgent, and nothing special.
    pub const fn new(priority: u8) -> Self {
        Self {
            priority,
            ttl: None,
            key: None,
            overflow: OverflowPolicy::EvictLower,
            receipt: None,
            exclude_sender: false,
        }
    }

    /// Returns its priority.
    pub const fn priority(self) -> u8 {
        self.priority
    }

    /// Sets how long the message is worth sending, from when it is published. It is
    /// dropped at its turn when that has passed, or when a full queue needs room.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets what the message is news of, within its channel and priority: it takes the
    /// place of a message with the same key that still waits. What has been
    /// handed to the socket is not replaced; nor is anything by a message that is
    /// too long for its place, which is treated as if it had no key.
    #[must_use]
    pub const fn key(mut self, key: u64) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets what becomes of it where a queue is full.
    #[must_use]
    pub const fn overflow(mut self, overflow: OverflowPolicy) -> Self {
        self.overflow = overflow;
        self
    }

    /// Asks what became of a publication, or of a message to another connection, under this
    /// number; the answer comes to
    /// [`Handler::on_published`](crate::Handler::on_published). Replies have none.
    #[must_use]
    pub const fn receipt(mut self, ticket: u64) -> Self {
        self.receipt = Some(ticket);
        self
    }

    /// Leaves out the connection that publishes it.
    #[must_use]
    pub const fn exclude_sender(mut self) -> Self {
        self.exclude_sender = true;
        self
    }

    /// Returns what a frame of a message with these options carries. `scope` returns the number
    /// of the channel that its conflation key belongs to.
    pub(crate) fn meta(self, scope: impl FnOnce() -> u64, published: Timestamp) -> FrameMeta {
        FrameMeta {
            rank: Rank::data(self.priority),
            born: published,
            deadline: self.ttl.map(|ttl| published.after(ttl)),
            key: self.key.map(|name| Key {
                scope: scope(),
                name,
            }),
            stream: None,
        }
    }

    /// Returns whether its priority is all there is to it.
    pub(crate) const fn is_plain(&self) -> bool {
        self.ttl.is_none() && self.key.is_none()
    }
}

impl From<u8> for SendOptions {
    fn from(priority: u8) -> Self {
        Self::new(priority)
    }
}
