//! Errors of a client in its request, with their status codes and labels.

use core::fmt;

/// An error in a request, because of which it gets neither an upgrade nor a page. It is answered
/// with [`status`](Self::status) and counted under [`label`](Self::label).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Bytes that are not an HTTP/1.x request head (RFC 9112).
    Malformed,
    /// A head over the limit; also chunk extensions and trailers over it (RFC 9112 §7.1.1).
    HeadTooLong,
    /// A request target over the limit of the head (RFC 9112 §3).
    TargetTooLong,
    /// More header fields than the limit.
    TooManyHeaders,
    /// The request did not arrive in time.
    Timeout,
    /// The stream ended inside the request.
    Truncated,
    /// A method other than GET (or HEAD, for a page).
    Method,
    /// An HTTP version that cannot be upgraded (RFC 6455 §4.1).
    HttpVersion,
    /// No valid `Host`, or more than one (RFC 9112 §3.2).
    Host,
    /// A `Host` that the server does not allow.
    HostNotAllowed,
    /// A request with a body, which would be read as frames.
    Body,
    /// A body whose end is ambiguous: `Content-Length` or `Transfer-Encoding` is invalid, repeated,
    /// or there beside the other, or a chunk is malformed (RFC 9112 §6, §7).
    Framing,
    /// A transfer coding other than `chunked` (RFC 9112 §6.1).
    TransferCoding,
    /// A body over the limit.
    BodyTooLong,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// There is no page at the path.
    NotFound,
    /// A request for the path of WebSockets that does not ask for an upgrade.
    NotUpgrade,
    /// A `Sec-WebSocket-Version` other than 13 (RFC 6455 §4.4).
    Version,
    /// A `Sec-WebSocket-Key` that is absent, repeated or not 16 bytes in base64 (§4.2.1).
    Key,
    /// A `Sec-WebSocket-Protocol` that is not a list of distinct tokens (§4.1).
    Subprotocol,
    /// A `Sec-WebSocket-Extensions` that does not conform to its grammar (§9.1).
    Extensions,
    /// An `Origin` that the server does not allow (§10.2).
    Origin,
    /// The server is at its limit of connections.
    Full,
    /// The server has no memory for another connection.
    Memory,
    /// The server is shutting down.
    Draining,
    /// The task that the request waited for did not end in time.
    AnswerTimeout,
    /// A trusted proxy forwards the request with a field `Forwarded` that is malformed (RFC 7239 §4).
    Forwarded,
    /// The address of the client has as many connections as one may have.
    AddressFull,
    /// The address of the client opens connections too fast.
    AddressRate,
    /// The application refused with this status.
    Handler(u16),
}

impl HandshakeError {
    /// The number of labels.
    pub const COUNT: usize = 30;

    /// The labels in the order of [`index`](Self::index).
    pub const LABELS: [&'static str; Self::COUNT] = [
        "malformed",
        "head_too_long",
        "too_many_headers",
        "timeout",
        "truncated",
        "method",
        "http_version",
        "host",
        "body",
        "not_found",
        "not_upgrade",
        "version",
        "key",
        "subprotocol",
        "extensions",
        "origin",
        "full",
        "draining",
        "handler",
        "memory",
        "host_not_allowed",
        "target_too_long",
        "framing",
        "transfer_coding",
        "body_too_long",
        "expectation",
        "answer_timeout",
        "forwarded",
        "address_full",
        "address_rate",
    ];

    /// Returns the status code of the response (RFC 9110 §15).
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed
            | Self::Host
            | Self::Body
            | Self::Framing
            | Self::Key
            | Self::Subprotocol
            | Self::Extensions
            | Self::Forwarded
            | Self::Truncated => 400,
            //= rfc6455#section-10.2 "If the origin indicated is unacceptable to the server,..."
            Self::Origin => 403,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::Timeout => 408,
            Self::BodyTooLong => 413,
            //= rfc9112#section-3 "A server that receives a request-target longer than any URI it..."
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HostNotAllowed => 421,
            Self::NotUpgrade | Self::Version => 426,
            Self::AddressFull | Self::AddressRate => 429,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            //= rfc9112#section-6.1 "A server that receives a request message with a transfer..."
            Self::TransferCoding => 501,
            Self::Full | Self::Memory | Self::Draining => 503,
            Self::AnswerTimeout => 504,
            Self::HttpVersion => 505,
            Self::Handler(status) => status,
        }
    }

    /// Returns the index into a table of counters.
    pub const fn index(self) -> usize {
        match self {
            Self::Malformed => 0,
            Self::HeadTooLong => 1,
            Self::TooManyHeaders => 2,
            Self::Timeout => 3,
            Self::Truncated => 4,
            Self::Method => 5,
            Self::HttpVersion => 6,
            Self::Host => 7,
            Self::Body => 8,
            Self::NotFound => 9,
            Self::NotUpgrade => 10,
            Self::Version => 11,
            Self::Key => 12,
            Self::Subprotocol => 13,
            Self::Extensions => 14,
            Self::Origin => 15,
            Self::Full => 16,
            Self::Draining => 17,
            Self::Handler(_) => 18,
            Self::Memory => 19,
            Self::HostNotAllowed => 20,
            Self::TargetTooLong => 21,
            Self::Framing => 22,
            Self::TransferCoding => 23,
            Self::BodyTooLong => 24,
            Self::Expectation => 25,
            Self::AnswerTimeout => 26,
            Self::Forwarded => 27,
            Self::AddressFull => 28,
            Self::AddressRate => 29,
        }
    }

    /// Returns the name in metrics and logs.
    pub const fn label(self) -> &'static str {
        Self::LABELS[self.index()]
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.label(), self.status())
    }
}

impl core::error::Error for HandshakeError {}
