//! Owns what can go wrong in a run, and how it is said.

use std::fmt;
use std::io;

/// Why a run ended without a result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system refused something.
    System {
        /// What was wanted.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// An argument does not fit the others, or this machine.
    Argument(String),
    /// The server did not take the handshake.
    Refused(String),
    /// The server ended a connection.
    Closed {
        /// Which one.
        who: usize,
        /// Its close code, where there was a close frame.
        code: Option<u16>,
    },
    /// The server sent what no server may, or what was not asked for.
    Wrong {
        /// To which connection.
        who: usize,
        /// What about it.
        what: String,
    },
    /// Nothing came for so long.
    Stalled(u64),
    /// A program that was needed did not do its part.
    Program(String),
}

impl Fault {
    /// For `map_err` on what the system was asked for.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::System { what, source }
    }

    pub(crate) fn wrong(who: usize, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Wrong { who, what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, source } => write!(f, "{what}: {source}"),
            Self::Argument(what) => f.write_str(what),
            Self::Refused(what) => write!(f, "the server refused the handshake: {what}"),
            Self::Closed { who, code: None } => write!(f, "connection {who} was cut off"),
            Self::Closed {
                who,
                code: Some(code),
            } => write!(f, "connection {who} was closed with code {code}"),
            Self::Wrong { who, what } => write!(f, "connection {who} got what is wrong: {what}"),
            Self::Stalled(seconds) => write!(
                f,
                "nothing came for {seconds} s; did the server drop messages, or does it speak \
                 another protocol?"
            ),
            Self::Program(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
