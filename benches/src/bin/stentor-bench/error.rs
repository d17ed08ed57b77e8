//! Owns what can go wrong in a run, and how it is said.

use std::fmt;
use std::io;

/// Why a run ended without a result.
#[derive(Debug)]
pub(crate) enum Error {
    /// The system refused something.
    System {
        /// What was wanted.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// An argument does not fit the others, or this machine.
    InvalidArgument(String),
    /// The server did not take the handshake.
    HandshakeRefused(String),
    /// The server ended a connection.
    Closed {
        /// Which one.
        index: usize,
        /// Its close code, where there was a close frame.
        code: Option<u16>,
    },
    /// The server sent what no server may, or what was not asked for.
    UnexpectedData {
        /// To which connection.
        index: usize,
        /// What about it.
        what: String,
    },
    /// Nothing came for so long.
    Timeout(u64),
    /// A program that was needed did not do its part.
    Failed(String),
}

impl Error {
    /// For `map_err` on what the system was asked for.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::System { what, source }
    }

    pub(crate) fn unexpected(index: usize, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::UnexpectedData { index, what }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, source } => write!(f, "{what}: {source}"),
            Self::InvalidArgument(what) => f.write_str(what),
            Self::HandshakeRefused(what) => write!(f, "the server refused the handshake: {what}"),
            Self::Closed { index, code: None } => {
                write!(f, "connection {index} was closed without a close frame")
            }
            Self::Closed {
                index,
                code: Some(code),
            } => write!(f, "connection {index} was closed with code {code}"),
            Self::UnexpectedData { index, what } => {
                write!(f, "connection {index} received unexpected data: {what}")
            }
            Self::Timeout(seconds) => write!(
                f,
                "nothing was received for {seconds} s; did the server drop messages, or does it speak \
                 another protocol?"
            ),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
