//! Opcodes of frames (RFC 6455 §5.2, §11.8).

use crate::proto::ws::peer_error::PeerError;

/// The type of a frame. The reserved opcodes have no value here: a header with one does not parse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Continues the current message.
    Continuation = 0x0,
    /// Begins a message of UTF-8 text.
    Text = 0x1,
    /// Begins a message of bytes.
    Binary = 0x2,
    /// Begins or answers the closing handshake.
    Close = 0x8,
    /// Requests a pong.
    Ping = 0x9,
    /// Responds to a ping.
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode in the low four bits of a frame's first byte.
    ///
    /// # Errors
    /// [`PeerError::ReservedOpcode`] for 3 to 7 and 11 to 15.
    //= rfc6455#section-5.2 "If an unknown opcode is received, the receiving endpoint MUST _Fail..."
    pub const fn from_bits(bits: u8) -> Result<Self, PeerError> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            _ => Err(PeerError::ReservedOpcode),
        }
    }

    /// Returns whether it is close, ping or pong (§5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The type of a message: the opcode of its first frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// UTF-8 text. Text from a peer is checked; text of an application must be valid and is not
    /// checked.
    Text = 0x1,
    /// Bytes.
    Binary = 0x2,
}

impl MessageType {
    /// Returns the opcode of the first frame of such a message.
    //= rfc6455#section-6.1 "The opcode (frame-opcode) of the first frame containing the data..."
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}
