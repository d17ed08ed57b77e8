//! Limits that connections of one codec have instead of those of all.

use crate::config::error::{ConfigError, within};
use crate::config::limits::{Config, ConfigBuilder};

/// How many codecs an application may have.
pub(crate) const CODECS: usize = 8;

/// Limits of the connections of one codec: [`ConfigBuilder::codec_limits`]. Their ranges are those
/// of the limits of the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionLimits {
    /// Maximum size of a message from a peer: [`ConfigBuilder::max_message`].
    pub max_message: usize,
    /// Maximum number of messages queued: [`ConfigBuilder::queue_messages`].
    pub queue_messages: usize,
    /// Maximum number of bytes queued: [`ConfigBuilder::queue_bytes`].
    pub queue_bytes: usize,
}

impl ConnectionLimits {
    fn values(&self) -> [(&'static str, usize); 3] {
        [
            ("max_message", self.max_message),
            ("queue_messages", self.queue_messages),
            ("queue_bytes", self.queue_bytes),
        ]
    }

    /// Checks the limits against the ranges of those of the same name.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let values = self.values();
        for range in Config::RANGES {
            for (_, value) in values.iter().filter(|(key, _)| *key == range.key) {
                within(range.key, range.unit, *value as u64, range.min, range.max)?;
            }
        }
        Ok(())
    }
}

impl ConfigBuilder {
    /// Sets the limits of connections of the codec with this number.
    pub(crate) const fn limits_of(mut self, codec: usize, limits: ConnectionLimits) -> Self {
        self.0.connection_limits[codec] = Some(limits);
        self
    }
}

impl Config {
    /// Returns the limits of connections of each codec, by its number.
    pub(crate) fn limits_by_codec(&self) -> [ConnectionLimits; CODECS] {
        let of_all = ConnectionLimits {
            max_message: self.max_message,
            queue_messages: self.queue_messages,
            queue_bytes: self.queue_bytes,
        };
        self.connection_limits
            .map(|limits| limits.unwrap_or(of_all))
    }
}
