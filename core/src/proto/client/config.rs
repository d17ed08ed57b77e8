//! Limits and compression settings of a client.

use crate::proto::http::HeadLimits;
use crate::proto::ws::MessageLimits;

/// The settings of a [`Client`](crate::proto::client::Client).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientConfig {
    /// The limits of the head of the response.
    pub head: HeadLimits,
    /// The limits of received messages.
    pub message: MessageLimits,
    /// The level of compression: 1 is the fastest, 9 the smallest.
    pub compression_level: u8,
    /// The minimum size of a compressed message in bytes.
    pub compression_threshold: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            head: HeadLimits::DEFAULT,
            message: MessageLimits::DEFAULT,
            compression_level: 6,
            compression_threshold: 256,
        }
    }
}
