//! Message trait that hides the differences between the libraries.

use bytes::Bytes;
use tokio_tungstenite::tungstenite;

/// The message type of a library.
pub trait Data: Clone + Send + Unpin + 'static {
    /// Whether reading flushes what was written. A batch is then read completely before any of it
    /// is answered; with the other libraries that would keep their buffers in use.
    const IS_FLUSHED_BY_READING: bool = false;

    /// Returns whether this is a text or binary message, not a control frame.
    fn is_data(&self) -> bool;
    /// Returns whether this is text, and the payload.
    fn into_parts(self) -> (bool, Bytes);
    /// Creates a message, or returns `None` if it is to be text and is not UTF-8.
    fn from_parts(is_text: bool, payload: Bytes) -> Option<Self>;
}

impl Data for tungstenite::Message {
    fn is_data(&self) -> bool {
        self.is_text() || self.is_binary()
    }

    fn into_parts(self) -> (bool, Bytes) {
        (self.is_text(), self.into_data())
    }

    fn from_parts(is_text: bool, payload: Bytes) -> Option<Self> {
        Some(match is_text {
            true => Self::Text(payload.try_into().ok()?),
            false => Self::Binary(payload),
        })
    }
}

impl Data for tokio_websockets::Message {
    const IS_FLUSHED_BY_READING: bool = true;

    fn is_data(&self) -> bool {
        self.is_text() || self.is_binary()
    }

    fn into_parts(self) -> (bool, Bytes) {
        (self.is_text(), self.into_payload().into())
    }

    fn from_parts(is_text: bool, payload: Bytes) -> Option<Self> {
        Some(match is_text {
            true => Self::text(payload),
            false => Self::binary(payload),
        })
    }
}

impl Data for sockudo_ws::Message {
    fn is_data(&self) -> bool {
        self.is_text() || self.is_binary()
    }

    fn into_parts(self) -> (bool, Bytes) {
        (self.is_text(), self.into_bytes())
    }

    fn from_parts(is_text: bool, payload: Bytes) -> Option<Self> {
        Some(match is_text {
            true => Self::Text(payload),
            false => Self::Binary(payload),
        })
    }
}

impl Data for yawc::Frame {
    fn is_data(&self) -> bool {
        matches!(self.opcode(), yawc::OpCode::Text | yawc::OpCode::Binary)
    }

    fn into_parts(self) -> (bool, Bytes) {
        let is_text = self.opcode() == yawc::OpCode::Text;
        (is_text, self.into_payload())
    }

    fn from_parts(is_text: bool, payload: Bytes) -> Option<Self> {
        Some(match is_text {
            true => Self::text(payload),
            false => Self::binary(payload),
        })
    }
}
