//! What stands around the payload of an outgoing frame.

use crate::proto::wire::Wire;
#[cfg(feature = "testing")]
use crate::proto::wire::lines;
use crate::proto::ws::header::{self, Tag};
use crate::proto::ws::opcode::Opcode;

/// The wire of a frame, its type, and whether its payload is compressed: all that decides what
/// stands around a payload of a given length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameTag {
    wire: Wire,
    tag: Tag,
}

impl FrameTag {
    pub(crate) const fn new(wire: Wire, opcode: Opcode) -> Self {
        let tag = Tag::plain(opcode);
        Self { wire, tag }
    }

    /// Returns the tag of a frame whose payload is compressed, which only a WebSocket has.
    pub(crate) const fn compressed(opcode: Opcode) -> Self {
        Self {
            wire: Wire::WebSocket,
            tag: Tag::compressed(opcode),
        }
    }

    /// Returns what stands before a payload of this length, and how many bytes that are.
    #[inline]
    pub(crate) fn prefix(self, payload_len: usize) -> ([u8; MAX_PREFIX], usize) {
        match self.wire {
            Wire::WebSocket => header::encode_unmasked(self.tag, payload_len),
            #[cfg(feature = "testing")]
            Wire::Lines => lines::prefix(self.tag),
        }
    }

    /// Returns what stands behind a payload.
    #[inline]
    pub(crate) const fn suffix(self) -> &'static [u8] {
        match self.wire {
            Wire::WebSocket => &[],
            #[cfg(feature = "testing")]
            Wire::Lines => lines::SUFFIX,
        }
    }

    /// Returns the length of a frame around a payload of this length.
    #[inline]
    pub(crate) fn framed_len(self, payload_len: usize) -> usize {
        match self.wire {
            Wire::WebSocket => header::unmasked_len(payload_len) + payload_len,
            #[cfg(feature = "testing")]
            Wire::Lines => lines::prefix(self.tag).1 + payload_len + lines::SUFFIX.len(),
        }
    }

    /// Returns whether the frame is its header and its payload, as in a message that was received.
    #[inline]
    pub(crate) const fn is_websocket(self) -> bool {
        matches!(self.wire, Wire::WebSocket)
    }
}

/// The longest prefix, in bytes.
pub(crate) const MAX_PREFIX: usize = header::MAX_UNMASKED_LEN;
