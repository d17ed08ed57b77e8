//! Clients that are not connected by WebSocket: their sessions are the content of a response, and
//! their commands come in other requests.
//!
//! | file | owns |
//! |---|---|
//! | `endpoint` | paths and methods, and what a request begins with |
//! | `cors` | what pages of other origins are told |
//! | `session_key` | secrets that name a session |
//! | `poll` | long polling: requests, answers, and a request on its way to its session |
//! | `commands` | commands on their way to the session that they are for |

mod commands;
mod cors;
mod endpoint;
mod poll;
mod session_key;

pub(crate) use commands::{ArrivedCommands, CommandPost};
pub(crate) use endpoint::{StreamVerdict, admit, first_message, is_served};
pub(crate) use poll::{ArrivedPoll, PollAnswer, PollPost, Polling, WaitingPoll, refuse};
pub use session_key::SessionKey;
