//! Events of a client.

use crate::proto::client::error::ClientError;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::opcode::MessageType;

/// An event that is complete and checked. It borrows from the client until the next call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ClientEvent<'a> {
    /// The connection is a WebSocket.
    /// [`Client::subprotocol`](crate::proto::client::Client::subprotocol) and
    /// [`Client::deflate`](crate::proto::client::Client::deflate) return what was agreed on.
    Opened,
    /// The server answered with another status than 101. To follow a redirect or answer a
    /// challenge, use a new client. The last event.
    Refused {
        /// The status.
        status: u16,
        /// The head of the response, for
        /// [`Response::parse`](crate::proto::client::Response::parse).
        head: &'a [u8],
    },
    /// A data message.
    Message {
        /// Text, which is valid UTF-8, or binary.
        kind: MessageType,
        /// The whole payload.
        payload: &'a [u8],
    },
    /// A ping. Its pong is queued, unless
    /// [`Client::set_auto_pong`](crate::proto::client::Client::set_auto_pong) is off.
    Ping(&'a [u8]),
    /// A pong, solicited or not.
    Pong(&'a [u8]),
    /// The server's close frame. This end's close frame was sent or is queued. The last event.
    Closed {
        /// The close code, if there is one.
        code: Option<CloseCode>,
        /// The reason, which may be empty.
        reason: &'a str,
    },
    /// The server violated the protocol. The last event.
    Failed(ClientError),
    /// The stream ended without a closing handshake (§7.1.5: code 1006). The last event.
    Lost,
}
