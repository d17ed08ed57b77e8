//! Limits of received messages (RFC 6455 §10.4).

/// The limits of a message from a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageLimits {
    /// Bytes of the payload.
    pub bytes: usize,
    /// Fragments without a payload.
    pub empty_fragments: u32,
}

impl MessageLimits {
    /// 1 MiB and 256 empty fragments.
    pub const DEFAULT: Self = Self {
        bytes: 1 << 20,
        empty_fragments: 256,
    };
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
