//! Assembler of a message that arrives in several pieces.

use alloc::vec::Vec;

use crate::buffers::Buffers;
use crate::proto::ws::header::Header;
use crate::proto::ws::mask;
use crate::proto::ws::min_rate::ReceiveProgress;
use crate::proto::ws::opcode::MessageType;
use crate::proto::ws::peer_error::PeerError;
use crate::proto::ws::utf8::Utf8;

/// A message that is incomplete.
#[derive(Debug)]
pub(super) struct MessageAssembler {
    /// The payload received so far.
    pub(super) message: Vec<u8>,
    /// The number of payload bytes of the current frame that are missing.
    pub(super) remaining: u64,
    /// The masking key of the current frame, rotated to the next byte.
    key: [u8; 4],
    utf8: Utf8,
    /// The rate at which the message arrives.
    pub(super) pace: ReceiveProgress,
    /// The number of its empty fragments.
    pub(super) empty_fragments: u32,
    pub(super) kind: MessageType,
    /// Whether the current frame is the last.
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
            pace: ReceiveProgress::NEW,
            empty_fragments: 0,
            kind: MessageType::Binary,
            fin: false,
            compressed: false,
        }
    }

    /// Begins the next frame of the message.
    pub(super) fn begin_frame(&mut self, header: &Header) {
        self.remaining = header.payload_len;
        self.key = header.mask.unwrap_or_default();
        self.fin = header.fin;
        if header.payload_len == 0 && !header.fin {
            self.empty_fragments += 1;
        }
    }

    /// Takes the available payload of the current frame, and returns its length in bytes.
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
