//! Why a message of a client cannot be decoded, and why a reply cannot be encoded.

use core::error::Error;
use core::fmt::{self, Display, Formatter};

use super::code::DisconnectCode;

/// A message that is not a sequence of commands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecodeError {
    /// A WebSocket message without a command.
    EmptyMessage,
    /// A line that is not one JSON value.
    InvalidJson,
    /// JSON whose fields do not have the types of a command.
    InvalidField,
    /// A command with an id and without a known request.
    NoRequest,
    /// A command with an id and more than one request.
    SeveralRequests,
    /// A tag filter of more levels than [`MAX_FILTER_DEPTH`](super::MAX_FILTER_DEPTH).
    FilterTooDeep,
    /// A MessagePack value that no JSON value is like, or too deep a one.
    InvalidMessagePack,
    /// A Protobuf or MessagePack message that ends before its lengths say.
    Truncated,
    /// A Protobuf integer of more than 64 bits.
    InvalidVarint,
    /// A Protobuf field with a number or wire type that does not exist.
    InvalidTag,
    /// A Protobuf field with the wire type of another type.
    WrongWireType,
    /// A Protobuf or MessagePack text that is not UTF-8.
    InvalidUtf8,
}

impl DecodeError {
    /// Returns the reason in the form of a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::EmptyMessage => "empty_message",
            Self::InvalidJson => "invalid_json",
            Self::InvalidField => "invalid_field",
            Self::NoRequest => "no_request",
            Self::SeveralRequests => "several_requests",
            Self::FilterTooDeep => "filter_too_deep",
            Self::InvalidMessagePack => "invalid_msgpack",
            Self::Truncated => "truncated",
            Self::InvalidVarint => "invalid_varint",
            Self::InvalidTag => "invalid_tag",
            Self::WrongWireType => "wrong_wire_type",
            Self::InvalidUtf8 => "invalid_utf8",
        }
    }

    /// Returns the code that the connection is closed with.
    pub const fn disconnect_code(self) -> DisconnectCode {
        DisconnectCode::BadRequest
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyMessage => "the message has no command",
            Self::InvalidJson => "a line of the message is not one JSON value",
            Self::InvalidField => "a field has the wrong type",
            Self::NoRequest => "a command with an id has no known request",
            Self::SeveralRequests => "a command has more than one request",
            Self::FilterTooDeep => "the tag filter has too many levels",
            Self::InvalidMessagePack => "a MessagePack value is not like JSON",
            Self::Truncated => "the message ends too early",
            Self::InvalidVarint => "an integer has more than 64 bits",
            Self::InvalidTag => "a field has an invalid number or wire type",
            Self::WrongWireType => "a field has the wire type of another type",
            Self::InvalidUtf8 => "a text is not UTF-8",
        })
    }
}

impl Error for DecodeError {}

/// A payload that is not JSON, in a reply or push for a JSON connection. Nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InvalidPayload;

impl InvalidPayload {
    /// Returns the code that the JSON connection is closed with.
    pub const fn disconnect_code(self) -> DisconnectCode {
        DisconnectCode::InappropriateProtocol
    }
}

impl Display for InvalidPayload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("the payload is not JSON")
    }
}

impl Error for InvalidPayload {}
