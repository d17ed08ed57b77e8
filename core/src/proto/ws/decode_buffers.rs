//! Buffers and permessage-deflate codecs that connections borrow while their bytes are decoded.
//!
//! An idle connection holds none of them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::buffers::Buffers;
use crate::proto::ws::assembler::MessageAssembler;
use crate::proto::ws::deflate::SharedDeflate;

/// The decoding memory of all connections of one owner.
#[derive(Debug)]
pub struct DecodeBuffers {
    pub(crate) buffers: Buffers,
    pub(crate) codec: SharedDeflate,
    /// The last assembled message, until it is taken.
    message: Vec<u8>,
    /// In boxes, because the boxes are reused.
    #[expect(clippy::vec_box)]
    spare: Vec<Box<MessageAssembler>>,
    /// The number of assemblers, in use or spare.
    assemblers: usize,
}

impl DecodeBuffers {
    /// Returns empty buffers that grow with use. `level` is the level of compression, 1 to 9.
    pub fn new(level: u8) -> Self {
        Self {
            buffers: Buffers::default(),
            codec: SharedDeflate::new(level),
            message: Vec::new(),
            spare: Vec::new(),
            assemblers: 0,
        }
    }

    /// Returns the message of a [`Payload::Assembled`](crate::proto::ws::Payload::Assembled).
    /// Return its buffer with [`give`](Self::give).
    pub fn take_message(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.message)
    }

    /// Takes back a buffer that is no longer needed.
    pub fn give(&mut self, buffer: Vec<u8>) {
        self.buffers.give(buffer);
    }

    /// Returns the bytes of memory of spare buffers and of incomplete messages.
    pub(crate) fn memory(&self) -> usize {
        let assemblers = self.assemblers * size_of::<MessageAssembler>();
        self.buffers.memory() + self.codec.memory() + self.message.capacity() + assemblers
    }

    /// Frees the memory that is not in use.
    pub(crate) fn trim(&mut self) {
        self.buffers.trim();
        self.assemblers -= self.spare.len();
        self.spare = Vec::new();
    }

    pub(super) fn put_message(&mut self, message: Vec<u8>) {
        let untaken = core::mem::replace(&mut self.message, message);
        self.give(untaken);
    }

    pub(super) fn take_assembler(&mut self) -> Box<MessageAssembler> {
        self.spare.pop().unwrap_or_else(|| {
            self.assemblers += 1;
            Box::new(MessageAssembler::new())
        })
    }

    pub(super) fn return_assembler(&mut self, mut assembler: Box<MessageAssembler>) {
        self.buffers
            .take_back(core::mem::take(&mut assembler.message));
        if self.spare.len() < MAX_SPARE {
            *assembler = MessageAssembler::new();
            self.spare.push(assembler);
        } else {
            self.assemblers -= 1;
        }
    }
}

impl Default for DecodeBuffers {
    fn default() -> Self {
        Self::new(6)
    }
}

/// The maximum number of spare assemblers.
const MAX_SPARE: usize = 16;
