//! Wires: how the messages of a session stand in the byte stream of its link. A wire turns received
//! bytes into events and messages into frames; it knows neither queues nor channels nor the
//! application.
//!
//! | wire | messages | opened by |
//! |---|---|---|
//! | [`WebSocket`](Wire::WebSocket) | frames of RFC 6455 | an opening handshake |
//! | `Lines`, only with the feature `testing` | one line each | any request |

mod decoder;
mod frame_tag;
#[cfg(feature = "testing")]
mod lines;

use alloc::vec::Vec;

use crate::proto::http::encode::{Persistence, connection, field, status_line};

pub(crate) use decoder::Decoder;
pub(crate) use frame_tag::FrameTag;

/// The wire of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum Wire {
    /// WebSocket (RFC 6455).
    #[default]
    WebSocket = 0,
    /// One message a line, in both directions, in the content of one response.
    #[cfg(feature = "testing")]
    Lines = 1,
}

impl Wire {
    /// The wires, each at the place that is its number.
    pub(crate) const ALL: &[Self] = &[
        Self::WebSocket,
        #[cfg(feature = "testing")]
        Self::Lines,
    ];

    /// Returns the wire with this number; WebSocket where there is none.
    #[inline]
    pub(crate) const fn of(number: u8) -> Self {
        match number {
            #[cfg(feature = "testing")]
            1 => Self::Lines,
            _ => Self::WebSocket,
        }
    }

    /// Returns whether a session is opened on it by an opening handshake of WebSocket.
    pub(crate) const fn needs_handshake(self) -> bool {
        matches!(self, Self::WebSocket)
    }

    /// Writes the head of the response that opens a session on a wire without handshake.
    pub(crate) fn open(self, out: &mut Vec<u8>, fields: &[(&str, &[u8])]) {
        status_line(out, 200);
        field(out, "Content-Type", self.content_type().as_bytes());
        field(out, "Cache-Control", b"no-store");
        for (name, value) in fields {
            field(out, name, value);
        }
        // Its content ends with the connection (RFC 9112 §6.3).
        connection(out, Persistence::Close, None);
        out.extend_from_slice(b"\r\n");
    }

    const fn content_type(self) -> &'static str {
        match self {
            // Opened by a handshake.
            Self::WebSocket => "",
            #[cfg(feature = "testing")]
            Self::Lines => "text/plain; charset=utf-8",
        }
    }
}
