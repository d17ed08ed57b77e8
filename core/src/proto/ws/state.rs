//! Owns the closing handshake (RFC 6455 §7.1), for either role: which of the
//! two close frames have passed, and what follows from it.
//!
//! ```text
//!            send close            receive close
//!   Open ------------------> Sent ------------------> Closed
//!     |    receive close             send close         ^
//!     +------------------> Received -------------------+
//!     |    fail (from any state)
//!     +------------------> Failed
//! ```

/// Which end of the connection this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Takes masked frames and sends plain ones.
    Server,
    /// Takes plain frames and sends masked ones.
    Client,
}

impl Role {
    /// Whether the peer of this role must mask its frames (§5.1).
    pub const fn peer_masks(self) -> bool {
        matches!(self, Self::Server)
    }
}

/// How far the closing handshake has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// Neither close frame has passed.
    #[default]
    Open,
    /// Ours is on its way; the peer's has not come.
    Sent,
    /// The peer's has come; ours is owed.
    Received,
    /// Both have passed.
    Closed,
    /// The peer broke the protocol; nothing it sends counts any more.
    Failed,
}

impl State {
    /// After a close frame of ours was queued.
    #[must_use]
    pub const fn on_send_close(self) -> Self {
        match self {
            Self::Open => Self::Sent,
            Self::Received => Self::Closed,
            other => other,
        }
    }

    /// After a close frame of the peer's was read.
    #[must_use]
    //= rfc6455#section-5.5.1 "If a client and server both send a Close message at the same..."
    pub const fn on_receive_close(self) -> Self {
        match self {
            Self::Open => Self::Received,
            Self::Sent => Self::Closed,
            other => other,
        }
    }

    /// After the peer broke the protocol (§7.1.7).
    #[must_use]
    pub const fn on_fail(self) -> Self {
        Self::Failed
    }

    /// Whether we may still send a close frame (§5.5.1: once).
    pub const fn may_send_close(self) -> bool {
        matches!(self, Self::Open | Self::Received)
    }

    /// Whether frames of the peer still mean anything.
    //= rfc6455#section-7.1.7 "An endpoint MUST NOT continue to attempt to process data..."
    pub const fn may_receive(self) -> bool {
        matches!(self, Self::Open | Self::Sent)
    }
}

#[cfg(test)]
mod tests {
    use super::State;
    use super::State::*;

    /// Every state with what follows a close sent, a close received and a failure.
    const TABLE: [[State; 4]; 5] = [
        [Open, Sent, Received, Failed],
        [Sent, Sent, Closed, Failed],
        [Received, Closed, Received, Failed],
        [Closed, Closed, Closed, Failed],
        [Failed, Failed, Failed, Failed],
    ];

    #[test]
    fn every_state_under_every_event() {
        for [from, sent, received, failed] in TABLE {
            assert_eq!(from.on_send_close(), sent, "{from:?} sends");
            assert_eq!(from.on_receive_close(), received, "{from:?} receives");
            assert_eq!(from.on_fail(), failed, "{from:?} fails");
        }
    }

    #[test]
    fn a_close_frame_is_sent_once() {
        for [from, ..] in TABLE {
            let next = from.on_send_close();
            assert!(!from.may_send_close() || !next.may_send_close());
        }
    }
}
