//! Errors of a peer on an open connection (RFC 6455 §7.1.7), with their close codes and labels.

use core::fmt;

use crate::proto::ws::close_code::CloseCode;

/// A protocol violation by a peer on an open connection. It never surfaces as a failure of a
/// `handle_*` call: the connection is failed with [`close_code`](Self::close_code) (RFC 6455
/// §7.1.7), and the error is counted under [`label`](Self::label).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PeerError {
    /// A frame of a client that is not masked (§5.1).
    Unmasked,
    /// A frame of a server that is masked (§5.1).
    Masked,
    /// A reserved bit to which no extension gives a meaning (§5.2).
    ReservedBit,
    /// A reserved opcode (§5.2).
    ReservedOpcode,
    /// A control frame that is fragmented (§5.4).
    FragmentedControl,
    /// A control frame of more than 125 bytes (§5.5).
    LongControl,
    /// A continuation without a message to continue (§5.4).
    StrayContinuation,
    /// A new message inside a fragmented one (§5.4).
    InterruptedMessage,
    /// A length that is not in its shortest form (§5.2).
    LengthNotMinimal,
    /// A 64-bit length with its top bit set (§5.2).
    LengthOverflow,
    /// A close frame with a payload of one byte (§5.5.1).
    ShortClose,
    /// A close code that may not be sent (§7.4).
    BadCloseCode,
    /// Text, or a close reason, that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A message over the limit (§10.4).
    MessageTooBig,
    /// A message with more empty fragments than the limit.
    EmptyFragments,
    /// A compressed message that is not valid DEFLATE (RFC 7692 §7.2.2).
    BadDeflate,
    /// Bytes behind a request whose response is the session.
    UnexpectedInput,
}

impl PeerError {
    /// Every variant, for tables of counters.
    pub const ALL: [Self; 17] = [
        Self::Unmasked,
        Self::Masked,
        Self::ReservedBit,
        Self::ReservedOpcode,
        Self::FragmentedControl,
        Self::LongControl,
        Self::StrayContinuation,
        Self::InterruptedMessage,
        Self::LengthNotMinimal,
        Self::LengthOverflow,
        Self::ShortClose,
        Self::BadCloseCode,
        Self::InvalidUtf8,
        Self::MessageTooBig,
        Self::EmptyFragments,
        Self::BadDeflate,
        Self::UnexpectedInput,
    ];

    /// Returns the code of the close frame in response (§7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::BadDeflate => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig => CloseCode::TOO_BIG,
            Self::EmptyFragments => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Returns the name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unmasked => "unmasked",
            Self::Masked => "masked",
            Self::ReservedBit => "reserved_bit",
            Self::ReservedOpcode => "reserved_opcode",
            Self::FragmentedControl => "fragmented_control",
            Self::LongControl => "long_control",
            Self::StrayContinuation => "stray_continuation",
            Self::InterruptedMessage => "interrupted_message",
            Self::LengthNotMinimal => "length_not_minimal",
            Self::LengthOverflow => "length_overflow",
            Self::ShortClose => "short_close",
            Self::BadCloseCode => "bad_close_code",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::MessageTooBig => "message_too_big",
            Self::EmptyFragments => "empty_fragments",
            Self::BadDeflate => "bad_deflate",
            Self::UnexpectedInput => "unexpected_input",
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl core::error::Error for PeerError {}
