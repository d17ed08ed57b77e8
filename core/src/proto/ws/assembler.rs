//! Owns a message that has not come to its end: the pieces of it that have, and
//! what the next bytes are.

use alloc::vec::Vec;

use crate::buffers::Buffers;
use crate::proto::ws::header::Header;
use crate::proto::ws::mask;
use crate::proto::ws::min_rate::Pace;
use crate::proto::ws::opcode::MessageType;
use crate::proto::ws::peer_error::PeerError;
use crate::proto::ws::utf8::Utf8;

/// A message under way.
#[derive(Debug)]
pub(super) struct MessageAssembler {
    /// Its pieces so far.
    pub(super) message: Vec<u8>,
    /// Payload bytes of the current frame that are still to come.
    pub(super) remaining: u64,
    /// Its masking key, turned to the next byte.
    key: [u8; 4],
    utf8: Utf8,
    /// How fast it comes.
    pub(super) pace: Pace,
    /// How many frames of it were empty.
    pub(super) empty_fragments: u32,
    pub(super) kind: MessageType,
    /// Whether the current frame ends it.
    pub(super) fin: bool,
    pub(super) compressed: bool,
}

impl MessageAssembler {
    pub(super) const fn new() -> Self {
        Self {
            message: Vec::new(),
            remaining: 0,
            key: [0; 4],
            utf8: Utf8::new(),
            pace: Pace::NEW,
            empty_fragments: 0,
            kind: MessageType::Binary,
            fin: false,
            compressed: false,
        }
    }

    /// Takes the header of its next frame.
    pub(super) fn begin_frame(&mut self, header: &Header) {
        self.remaining = header.payload_len;
        self.key = header.mask.unwrap_or_default();
        self.fin = header.fin;
        if header.payload_len == 0 && !header.fin {
            self.empty_fragments += 1;
        }
    }

    /// Takes as much of the current frame's payload as is there.
    pub(super) fn take(
        &mut self,
        input: &mut [u8],
        buffers: &mut Buffers,
    ) -> Result<usize, PeerError> {
        let len = usize::try_from(self.remaining).map_or(input.len(), |n| n.min(input.len()));
        let piece = &mut input[..len];
        //= rfc6455#section-6.2 "A server MUST remove masking for data frames received from a..."
        mask::apply(piece, self.key, 0);
        self.key.rotate_left(len % 4);
        self.remaining -= len as u64;
        if self.is_plain_text() {
            self.utf8.push(piece)?;
        }
        if self.message.capacity() == 0 && len > 0 {
            let all = usize::try_from(self.remaining).unwrap_or(usize::MAX);
            self.message = buffers.lend(all.saturating_add(len));
        }
        //= rfc6455#section-5.4 "Message fragments MUST be delivered to the recipient in the..."
        //= rfc7692#section-6.2 "Concatenate the payload data portion of the received frames of..."
        buffers.append(&mut self.message, piece);
        Ok(len)
    }

    /// Checks what can only be checked at the end of the message.
    pub(super) fn finish(&mut self) -> Result<(), PeerError> {
        //= rfc6455#section-5.6 "the whole message MUST contain valid UTF-8."
        self.utf8.finish()
    }

    fn is_plain_text(&self) -> bool {
        self.kind == MessageType::Text && !self.compressed
    }
}
