//! Limits that connections of one codec have instead of those of all.

/// How many codecs an application may have.
pub(crate) const CODECS: usize = 8;

/// Limits of the connections of one codec:
/// [`codec_limits`](crate::config::ConfigBuilder::codec_limits). Their ranges are those
/// of the limits of the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionLimits {
    /// Maximum size of a message from a peer: [`max_message`](crate::config::ConfigBuilder::max_message).
    pub max_message: usize,
    /// Maximum number of messages queued: [`queue_messages`](crate::config::ConfigBuilder::queue_messages).
    pub queue_messages: usize,
    /// Maximum number of bytes queued: [`queue_bytes`](crate::config::ConfigBuilder::queue_bytes).
    pub queue_bytes: usize,
}

impl ConnectionLimits {
    /// Returns the limits with their names.
    pub(super) const fn values(&self) -> [(&'static str, usize); 3] {
        [
            ("max_message", self.max_message),
            ("queue_messages", self.queue_messages),
            ("queue_bytes", self.queue_bytes),
        ]
    }
}
