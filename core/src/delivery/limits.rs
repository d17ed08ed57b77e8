//! Limits of queues, which depend on the codec of a connection.

use crate::config::{Config, ConfigBuilder, ConnectionLimits};
use crate::delivery::codec::{Codec, Form};
use crate::delivery::queue::Limits;

/// How much may wait for a connection, by its codec.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLimits([OfCodec; Codec::MAX]);

#[derive(Clone, Copy, Debug)]
struct OfCodec {
    /// What a queue may hold.
    all: Limits,
    /// What it may hold before input waits for its socket: half of that, less what a batch may
    /// add. So it has room for one message of that length.
    half: Limits,
}

impl QueueLimits {
    /// Returns the limits with batches of so many bytes at most.
    pub(super) fn new(config: &Config, batch_bytes: u32) -> Self {
        Self(config.limits_by_codec().map(|limits| {
            let all = Limits {
                messages: limits.queue_messages as u32,
                bytes: limits.queue_bytes as u32,
            };
            let half = Limits {
                messages: all.messages / 2,
                bytes: all.bytes / 2 - batch_bytes,
            };
            OfCodec { all, half }
        }))
    }

    /// Returns what the queue of a connection of this form may hold.
    #[inline]
    pub(super) const fn all(&self, form: Form) -> Limits {
        self.0[form.codec().number() as usize].all
    }

    /// Returns what it may hold before input waits for its socket.
    #[inline]
    pub(super) const fn half(&self, form: Form) -> Limits {
        self.0[form.codec().number() as usize].half
    }
}

impl ConfigBuilder {
    /// Gives connections of a codec limits of their own. Without, they have those of all.
    pub fn codec_limits(self, codec: Codec, limits: ConnectionLimits) -> Self {
        self.limits_of(codec.number().into(), limits)
    }
}

impl Config {
    /// Returns the limits of connections of a codec.
    pub fn codec_limits(&self, codec: Codec) -> ConnectionLimits {
        self.limits_by_codec()[usize::from(codec.number())]
    }
}
