//! Error type of `stentor-bench`.

use std::fmt;
use std::io;

/// The reason why a run ended without a result.
#[derive(Debug)]
pub(crate) enum Error {
    /// A system call failed.
    System {
        /// What it was for.
        what: String,
        /// The error of the system.
        source: io::Error,
    },
    /// An argument that does not fit the others, or this machine.
    InvalidArgument(String),
    /// The server did not accept the handshake.
    HandshakeRefused(String),
    /// The server closed a connection.
    Closed {
        /// The index of the connection.
        index: usize,
        /// The code of the close frame, if there was one.
        code: Option<u16>,
    },
    /// The server sent invalid frames, or a message that was not requested.
    UnexpectedData {
        /// The index of the connection.
        index: usize,
        /// What was received.
        what: String,
    },
    /// Nothing was received for this many seconds.
    Timeout(u64),
    /// Another program failed, or its output was not as expected.
    Failed(String),
}

impl Error {
    /// Returns a closure for `map_err` that adds what the system call was for.
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
