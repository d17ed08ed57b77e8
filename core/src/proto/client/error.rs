//! Errors of the client role: in the request, in the response, and in messages to send.
//!
//! What a server does wrong on an open connection is a [`PeerError`].

use core::fmt;

use crate::proto::ws::PeerError;

/// An error in a request, before it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// Not a `ws:` or `wss:` URI without user and fragment (RFC 6455 §3).
    Uri,
    /// Not an origin, `scheme://host[:port]`.
    Origin,
    /// A subprotocol that is not a token, or is offered twice (§4.1).
    Subprotocol,
    /// A field name that is not a token, or that the handshake itself uses.
    FieldName,
    /// A field value with control characters.
    FieldValue,
    /// A window of fewer than 8 bits or more than 15 (RFC 7692 §7.1.2).
    WindowBits,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uri => "not a ws: or wss: URI without user and fragment",
            Self::Origin => "not an origin of the form scheme://host[:port]",
            Self::Subprotocol => "a subprotocol that is not a token, or is offered twice",
            Self::FieldName => {
                "a field name that is not a token, or that the handshake itself uses"
            }
            Self::FieldValue => "a field value with control characters",
            Self::WindowBits => "a window of fewer than 8 bits or more than 15",
        })
    }
}

impl core::error::Error for RequestError {}

/// An error in a response with status 101 (RFC 6455 §4.1, the list at its end). The stream is to be
/// closed without a close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ResponseError {
    /// Not an HTTP response head.
    Malformed,
    /// A head over the limit.
    HeadTooLong,
    /// More header fields than the limit.
    TooManyHeaders,
    /// Not HTTP/1.1.
    HttpVersion,
    /// The stream ended inside the head.
    Truncated,
    /// No `Upgrade`, or one with another value than `websocket`.
    Upgrade,
    /// No `Connection: Upgrade`.
    Connection,
    /// A `Sec-WebSocket-Accept` that is absent, repeated, or does not match the key.
    Accept,
    /// A subprotocol that was not offered, or more than one.
    Subprotocol,
    /// An extension that was not offered, or with other parameters than were offered.
    Extension,
}

impl ResponseError {
    /// Returns the name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTooLong => "head_too_long",
            Self::TooManyHeaders => "too_many_headers",
            Self::HttpVersion => "http_version",
            Self::Truncated => "truncated",
            Self::Upgrade => "upgrade",
            Self::Connection => "connection",
            Self::Accept => "accept",
            Self::Subprotocol => "subprotocol",
            Self::Extension => "extension",
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl core::error::Error for ResponseError {}

/// A violation of the protocol by a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientError {
    /// In its response.
    Response(ResponseError),
    /// In its frames. A close frame with the code of the error is queued.
    Peer(PeerError),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(error) => write!(f, "{error} in the handshake"),
            Self::Peer(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ClientError {}

/// The reason for which nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The handshake is not done.
    NotOpen,
    /// A close frame was sent or received, or the connection has failed.
    Closing,
    /// A message inside a fragmented one, or a fragment of another type (§5.4).
    InterruptedMessage,
    /// Text that is not UTF-8 (§5.6).
    InvalidUtf8,
    /// A control frame of more than 125 bytes (§5.5).
    LongControl,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "the handshake is not done",
            Self::Closing => "the connection is closing or closed",
            Self::InterruptedMessage => "another message is being sent in fragments",
            Self::InvalidUtf8 => "text that is not UTF-8",
            Self::LongControl => "a control frame of more than 125 bytes",
        })
    }
}

impl core::error::Error for SendError {}
