//! Closing handshake (RFC 6455 §7.1) for either role.
//!
//! ```text
//!            send close            receive close
//!   Open ------------------> Sent ------------------> Closed
//!     |    receive close             send close         ^
//!     +------------------> Received -------------------+
//!     |    fail (from any state)
//!     +------------------> Failed
//! ```

/// The end of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Receives masked frames and sends unmasked ones.
    Server,
    /// Receives unmasked frames and sends masked ones.
    Client,
}

impl Role {
    /// Returns whether the peer of this role must mask its frames (§5.1).
    pub const fn peer_masks(self) -> bool {
        matches!(self, Self::Server)
    }
}

/// The state of the closing handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CloseState {
    /// No close frame was sent or received.
    #[default]
    Open,
    /// A close frame was sent and none was received.
    Sent,
    /// A close frame was received and none was sent.
    Received,
    /// Close frames were sent and received.
    Closed,
    /// The peer violated the protocol; its further frames are ignored.
    Failed,
}

impl CloseState {
    /// Returns the state after a close frame was queued.
    #[must_use]
    pub const fn on_send_close(self) -> Self {
        match self {
            Self::Open => Self::Sent,
            Self::Received => Self::Closed,
            other => other,
        }
    }

    /// Returns the state after a close frame was received.
    #[must_use]
    //= rfc6455#section-5.5.1 "If a client and server both send a Close message at the same..."
    pub const fn on_receive_close(self) -> Self {
        match self {
            Self::Open => Self::Received,
            Self::Sent => Self::Closed,
            other => other,
        }
    }

    /// Returns the state after a violation by the peer (§7.1.7).
    #[must_use]
    pub const fn on_fail(self) -> Self {
        Self::Failed
    }

    /// Returns whether a close frame may be sent (§5.5.1: only one).
    pub const fn may_send_close(self) -> bool {
        matches!(self, Self::Open | Self::Received)
    }

    /// Returns whether frames of the peer are processed.
    //= rfc6455#section-7.1.7 "An endpoint MUST NOT continue to attempt to process data..."
    pub const fn may_receive(self) -> bool {
        matches!(self, Self::Open | Self::Sent)
    }
}

#[cfg(test)]
mod tests {
    use super::CloseState;
    use super::CloseState::*;

    /// Each state, with its successors after a close sent, a close received and a failure.
    const TABLE: [[CloseState; 4]; 5] = [
        [Open, Sent, Received, Failed],
        [Sent, Sent, Closed, Failed],
        [Received, Closed, Received, Failed],
        [Closed, Closed, Closed, Failed],
        [Failed, Failed, Failed, Failed],
    ];

    #[test]
    fn every_state_has_its_successors() {
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
