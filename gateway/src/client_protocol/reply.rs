//! Replies: everything that the server sends, as both codecs encode it.

use super::code::ErrorCode;
use super::push::Push;
use super::result::CommandResult;

/// One message of the server.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reply<'a> {
    /// A ping, which the client answers if the connect result asked for it.
    Ping,
    /// What happened to a channel or the connection.
    Push(Push<'a>),
    /// The result of a command.
    Result {
        /// The number of the command.
        id: u32,
        /// The result.
        result: CommandResult<'a>,
    },
    /// The error of a command.
    Error {
        /// The number of the command.
        id: u32,
        /// The error.
        error: ReplyError<'a>,
    },
}

impl Reply<'static> {
    /// Creates the reply to a command that failed.
    pub fn error(id: u32, code: ErrorCode) -> Self {
        Self::Error {
            id,
            error: code.into(),
        }
    }
}

/// The error of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyError<'a> {
    /// An [`ErrorCode`], or one of the application's own (400 to 1999).
    pub code: u16,
    /// The error as text.
    pub message: &'a str,
    /// Whether the same command may succeed later.
    pub temporary: bool,
}

impl From<ErrorCode> for ReplyError<'static> {
    fn from(code: ErrorCode) -> Self {
        Self {
            code: code.number(),
            message: code.message(),
            temporary: code.is_temporary(),
        }
    }
}
