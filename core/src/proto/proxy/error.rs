//! Errors of a connection that must begin with a PROXY header, with their labels.

use core::fmt;

/// Why a connection that must begin with a header of the PROXY protocol is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// It comes from an address that is not trusted to send a header.
    Untrusted,
    /// It begins with other bytes.
    Missing,
    /// The header does not conform to the protocol.
    Malformed,
    /// The header is longer than the limit.
    TooLong,
    /// The header did not arrive in time.
    Timeout,
    /// The stream ended inside the header.
    Truncated,
}

impl ProxyError {
    /// Every variant, in the order of the counters.
    pub const ALL: [Self; 6] = [
        Self::Untrusted,
        Self::Missing,
        Self::Malformed,
        Self::TooLong,
        Self::Timeout,
        Self::Truncated,
    ];

    /// Returns the name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl core::error::Error for ProxyError {}
