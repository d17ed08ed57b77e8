//! Wires: how the messages of a session stand in the byte stream of its link. A wire turns received
//! bytes into events and messages into frames; it knows neither queues nor channels nor the
//! application.
//!
//! | wire | messages | opened by |
//! |---|---|---|
//! | [`WebSocket`](Wire::WebSocket) | frames of RFC 6455 | an opening handshake |
//! | [`Lines`](Wire::Lines) | one line each, in the content of a response | any request |
//! | [`Bytes`](Wire::Bytes) | as they are, in the content of a response | any request |
//! | [`EventStream`](Wire::EventStream) | one server-sent event each | any request |

mod decoder;
mod frame_tag;
mod response_stream;

use alloc::vec::Vec;

use crate::proto::http::encode::{Persistence, connection, field, status_line};

pub(crate) use decoder::Decoder;
pub(crate) use frame_tag::FrameTag;

/// The wire of a link.
///
/// On all but [`WebSocket`](Self::WebSocket), messages go from the server to the client only: what a
/// client has to say comes in other requests. There are no pings and no close codes; the last message
/// is what [`Handler::encode_close`](crate::Handler::encode_close) makes of the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum Wire {
    /// WebSocket (RFC 6455).
    #[default]
    WebSocket = 0,
    /// One message a line, in the content of one response. A message must contain no line feed, or
    /// be several.
    Lines = 1,
    /// Messages that say themselves where they end, in the content of one response.
    Bytes = 2,
    /// Server-sent events (WHATWG HTML §9.2). A message must contain no line end.
    EventStream = 3,
}

impl Wire {
    /// The wires, each at the place that is its number.
    pub(crate) const ALL: &[Self] = &[Self::WebSocket, Self::Lines, Self::Bytes, Self::EventStream];

    /// Returns the wire with this number; WebSocket where there is none.
    #[inline]
    pub(crate) const fn of(number: u8) -> Self {
        match number {
            1 => Self::Lines,
            2 => Self::Bytes,
            3 => Self::EventStream,
            _ => Self::WebSocket,
        }
    }

    /// Returns whether a session is opened on it by an opening handshake of WebSocket.
    #[inline]
    pub(crate) const fn needs_handshake(self) -> bool {
        matches!(self, Self::WebSocket)
    }

    /// Writes the head of the response that opens a session on a wire without handshake, and what
    /// stands before the first message.
    pub(crate) fn open(self, out: &mut Vec<u8>, fields: &[(&str, &[u8])]) {
        status_line(out, 200);
        field(out, "Content-Type", self.content_type().as_bytes());
        for (name, value) in UNBUFFERED {
            field(out, name, value.as_bytes());
        }
        for (name, value) in fields {
            field(out, name, value);
        }
        // Its content ends with the connection (RFC 9112 §6.3).
        connection(out, Persistence::Close, None);
        out.extend_from_slice(b"\r\n");
        if self == Self::EventStream {
            // The response is seen to have begun although no event has come. Not CR LF: a client in
            // use, eventsource 2 for Node, loses the event that stands behind that in one read.
            out.push(b'\n');
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            // Opened by a handshake.
            Self::WebSocket => "",
            Self::Lines => "application/json",
            Self::Bytes => "application/octet-stream",
            Self::EventStream => "text/event-stream; charset=utf-8",
        }
    }
}

/// Fields that tell proxies and browsers to keep nothing of a response and to hold nothing back.
const UNBUFFERED: [(&str, &str); 4] = [
    (
        "Cache-Control",
        "private, no-cache, no-store, must-revalidate, max-age=0",
    ),
    ("Pragma", "no-cache"),
    ("Expires", "0"),
    ("X-Accel-Buffering", "no"),
];
