//! What stands around the payload of an outgoing frame.

use crate::proto::wire::Wire;
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
            wire => stream_prefix(wire),
        }
    }

    /// Returns what stands behind a payload.
    #[inline]
    pub(crate) fn suffix(self) -> &'static [u8] {
        match self.wire {
            Wire::WebSocket => &[],
            wire => stream_suffix(wire),
        }
    }

    /// Returns the length of a frame around a payload of this length.
    #[inline]
    pub(crate) fn framed_len(self, payload_len: usize) -> usize {
        match self.wire {
            Wire::WebSocket => header::unmasked_len(payload_len) + payload_len,
            wire => stream_prefix(wire).1 + payload_len + stream_suffix(wire).len(),
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

/// Returns what stands before a payload on a wire whose messages are the content of a response, and
/// how many bytes that are.
// Out of line, so that a frame of a WebSocket costs one comparison.
#[cold]
#[inline(never)]
const fn stream_prefix(wire: Wire) -> ([u8; MAX_PREFIX], usize) {
    match wire {
        Wire::EventStream => (*b"data:     ", b"data: ".len()),
        Wire::WebSocket | Wire::Lines | Wire::Bytes => ([0; MAX_PREFIX], 0),
    }
}

/// Returns what stands behind a payload on such a wire.
#[cold]
#[inline(never)]
const fn stream_suffix(wire: Wire) -> &'static [u8] {
    match wire {
        Wire::WebSocket | Wire::Bytes => &[],
        Wire::Lines => b"\n",
        Wire::EventStream => b"\n\n",
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_frame_is_as_long_as_its_parts_on_every_wire() {
        for &wire in Wire::ALL {
            for payload in [0, 1, 125, 126, 70_000] {
                let tag = FrameTag::new(wire, Opcode::Text);
                let (prefix, len) = tag.prefix(payload);
                assert!(len <= prefix.len());
                assert_eq!(len + payload + tag.suffix().len(), tag.framed_len(payload));
            }
        }
        let framed = |wire| {
            let tag = FrameTag::new(wire, Opcode::Text);
            let (prefix, len) = tag.prefix(2);
            [&prefix[..len], b"{}", tag.suffix()].concat()
        };
        let framed: Vec<Vec<u8>> = Wire::ALL.iter().copied().map(framed).collect();
        let expected: [&[u8]; 4] = [b"\x81\x02{}", b"{}\n", b"{}", b"data: {}\n\n"];
        assert_eq!(framed, expected);
    }
}
