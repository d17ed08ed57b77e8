//! Owns what a connection tells about the bytes it was given.

use core::ops::Range;

use crate::proto::ws::close::CloseCode;
use crate::proto::ws::opcode::MessageType;

/// How far [`Connection::poll_event`](crate::proto::ws::Connection::poll_event) came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// How many bytes of the input are done with. What remains must stand at
    /// the start of the next input.
    pub consumed: usize,
    /// What they meant; `None` if more bytes are needed to tell.
    pub event: Option<Event>,
}

impl Step {
    pub(super) const fn more(consumed: usize) -> Self {
        Self {
            consumed,
            event: None,
        }
    }

    pub(super) const fn event(consumed: usize, event: Event) -> Self {
        Self {
            consumed,
            event: Some(event),
        }
    }
}

/// Something a peer said, complete and checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A data message.
    //= rfc6455#section-5.4 "in absence of extensions, senders and receivers must not depend on..."
    Message {
        /// Text, which is UTF-8, or binary.
        kind: MessageType,
        /// Where its payload is.
        payload: Payload,
    },
    /// A ping, with the place of its payload in the input.
    Ping(Range<usize>),
    /// A pong, with the place of its payload in the input.
    Pong(Range<usize>),
    /// A close frame, with its code if it has one, and the place of the reason,
    /// which is UTF-8, in the input.
    //= rfc6455#section-5.5.1 "As the data is not guaranteed to be human readable, clients MUST..."
    Close(Option<CloseCode>, Range<usize>),
}

/// Where the payload of a message is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// In the input, unmasked in place.
    InPlace(Range<usize>),
    /// In the workspace, put together from pieces or decompressed:
    /// [`take_message`](crate::proto::ws::DecodeBuffers::take_message) hands it out.
    Assembled,
}
