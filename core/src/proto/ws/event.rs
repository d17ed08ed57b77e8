//! Events of a connection.

use core::ops::Range;

use crate::proto::ws::close::CloseCode;
use crate::proto::ws::opcode::MessageType;

/// The result of [`Connection::poll_event`](crate::proto::ws::Connection::poll_event).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The number of consumed bytes. The others must be at the start of the next input.
    pub consumed: usize,
    /// The event; `None` if more bytes are needed.
    pub event: Option<ConnectionEvent>,
}

impl Step {
    pub(crate) const fn more(consumed: usize) -> Self {
        Self {
            consumed,
            event: None,
        }
    }

    pub(crate) const fn event(consumed: usize, event: ConnectionEvent) -> Self {
        Self {
            consumed,
            event: Some(event),
        }
    }
}

/// An event that is complete and checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// A data message.
    //= rfc6455#section-5.4 "in absence of extensions, senders and receivers must not depend on..."
    Message {
        /// Text, which is valid UTF-8, or binary.
        kind: MessageType,
        /// The location of the payload.
        payload: Payload,
    },
    /// A ping, with the range of its payload in the input.
    Ping(Range<usize>),
    /// A pong, with the range of its payload in the input.
    Pong(Range<usize>),
    /// A close frame, with its code if it has one, and the range of the reason, which is valid
    /// UTF-8, in the input.
    //= rfc6455#section-5.5.1 "As the data is not guaranteed to be human readable, clients MUST..."
    Close(Option<CloseCode>, Range<usize>),
}

/// The location of a message's payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// In the input, unmasked in place.
    InPlace(Range<usize>),
    /// In the [`DecodeBuffers`](crate::proto::ws::DecodeBuffers), assembled or decompressed:
    /// [`take_message`](crate::proto::ws::DecodeBuffers::take_message) returns it.
    Assembled,
}
