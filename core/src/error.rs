//! Owns the errors, one type per party at fault: the peer on an open
//! connection, the client in its handshake, the operator in the configuration.
//! All are small, `Copy` and carry no text of their own.

use core::fmt;

use crate::proto::ws::close::CloseCode;

/// What a peer did wrong on an open connection. It never surfaces as a failure
/// of a `handle_*` call: the connection is failed with [`close_code`](Self::close_code)
/// (RFC 6455 §7.1.7) and counted under [`label`](Self::label).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PeerError {
    /// A client's frame that is not masked (§5.1).
    Unmasked,
    /// A server's frame that is masked (§5.1).
    Masked,
    /// A reserved bit that no extension gave a meaning (§5.2).
    ReservedBit,
    /// An opcode that has no meaning (§5.2).
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
    /// A message that is no compressed one, though it says so (RFC 7692 §7.2.2).
    BadDeflate,
}

impl PeerError {
    /// Every variant, for tables of counters.
    pub const ALL: [Self; 16] = [
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
    ];

    /// The code of the close frame that answers it (§7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::BadDeflate => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig => CloseCode::TOO_BIG,
            Self::EmptyFragments => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Its name in metrics and logs.
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
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl core::error::Error for PeerError {}

/// Why a request was not upgraded and got no page either. Each is answered
/// with [`status`](Self::status) and counted under [`label`](Self::label).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Bytes that are not an HTTP/1.x request head (RFC 9112).
    Malformed,
    /// A head over the limit.
    HeadTooLong,
    /// More header fields than the limit.
    TooManyHeaders,
    /// The head did not arrive in time.
    Timeout,
    /// The peer left in the middle of its head.
    Truncated,
    /// A method other than GET (or HEAD, for a page).
    Method,
    /// An HTTP version that cannot be upgraded (RFC 6455 §4.1).
    HttpVersion,
    /// No `Host`, or more than one (RFC 9112 §3.2).
    Host,
    /// A `Host` that is none of the server's.
    HostNotAllowed,
    /// A request with a body, which would be read as frames.
    Body,
    /// No page of that name.
    NotFound,
    /// A request for `/ws` that does not ask for an upgrade.
    NotUpgrade,
    /// A `Sec-WebSocket-Version` other than 13 (RFC 6455 §4.4).
    Version,
    /// A `Sec-WebSocket-Key` that is absent, doubled or not 16 bytes in base64 (§4.2.1).
    Key,
    /// A `Sec-WebSocket-Protocol` that is no list of names that differ (§4.1).
    Subprotocol,
    /// A `Sec-WebSocket-Extensions` that does not conform to its grammar (§9.1).
    Extensions,
    /// An origin that may not connect (§10.2).
    Origin,
    /// The server has as many connections as it may.
    Full,
    /// The server has no memory for one connection more.
    Memory,
    /// The server is shutting down.
    Draining,
    /// The application refused, with a status of its own.
    Handler(u16),
}

impl HandshakeError {
    /// How many labels there are.
    pub const COUNT: usize = 21;

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
    ];

    /// The status code of the answer (RFC 9110 §15).
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed
            | Self::Host
            | Self::Body
            | Self::Key
            | Self::Subprotocol
            | Self::Extensions
            | Self::Truncated => 400,
            //= https://www.rfc-editor.org/rfc/rfc6455#section-10.2
            //# If the origin indicated is unacceptable to the server, then it
            //# SHOULD respond to the WebSocket handshake with a reply
            //# containing HTTP 403 Forbidden status code.
            Self::Origin => 403,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::Timeout => 408,
            Self::HostNotAllowed => 421,
            Self::NotUpgrade | Self::Version => 426,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::Full | Self::Memory | Self::Draining => 503,
            Self::HttpVersion => 505,
            Self::Handler(status) => status,
        }
    }

    /// Its place in a table of counters.
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
        }
    }

    /// Its name in metrics and logs.
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

/// A limit outside its range. The key is the limit's name in
/// [`ConfigBuilder`](crate::ConfigBuilder).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConfigError {
    /// Which limit.
    pub key: &'static str,
    /// What the numbers count.
    pub unit: Unit,
    /// The value that was given.
    pub value: u64,
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit.suffix();
        let Self {
            key,
            value,
            min,
            max,
            ..
        } = self;
        write!(
            f,
            "{key}: {value}{unit} is outside {min}{unit} to {max}{unit}"
        )
    }
}

impl core::error::Error for ConfigError {}

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// What stands behind a number of this unit.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Bytes => " bytes",
            Self::Count => "",
            Self::Milliseconds => " ms",
        }
    }
}
