//! Owns what a client is told.

use crate::proto::client::error::Failure;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::opcode::MessageType;

/// Something a server said, complete and checked; borrowed from the client
/// until it is next called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The connection is a WebSocket now. What was agreed on is in
    /// [`Client::subprotocol`](crate::proto::client::Client::subprotocol) and
    /// [`Client::deflate`](crate::proto::client::Client::deflate).
    Opened,
    /// The server answered with another status than 101. Redirects are not
    /// followed, and challenges not answered: that is for the caller, with a
    /// new client. The last event.
    Refused {
        /// The status.
        status: u16,
        /// The head of the answer, for [`Response::parse`](crate::proto::client::Response::parse).
        head: &'a [u8],
    },
    /// A data message.
    Message {
        /// Text, which is UTF-8, or binary.
        kind: MessageType,
        /// All of it.
        payload: &'a [u8],
    },
    /// A ping. Its pong is queued, unless
    /// [`Client::set_auto_pong`](crate::proto::client::Client::set_auto_pong) says otherwise.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// The server's close frame. Ours has passed or is queued. The last event.
    Closed {
        /// Its code, if it has one.
        code: Option<CloseCode>,
        /// Its reason, which may be empty.
        reason: &'a str,
    },
    /// The server broke the protocol. The last event.
    Failed(Failure),
    /// The stream ended without a closing handshake (§7.1.5: code 1006). The
    /// last event.
    Lost,
}
