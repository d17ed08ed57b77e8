//! Owns what connections borrow while their bytes are looked at, so that an
//! idle one has none of it: buffers, and the machines of permessage-deflate.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::buffers::Buffers;
use crate::proto::ws::assembler::MessageAssembler;
use crate::proto::ws::deflate::Codec;

/// What the connections of one owner share. One for all of them is enough.
#[derive(Debug)]
pub struct DecodeBuffers {
    pub(crate) buffers: Buffers,
    pub(crate) codec: Codec,
    /// The message that was announced last, if it is not in the input.
    message: Vec<u8>,
    /// In boxes, since it is the boxes that are spared.
    #[expect(clippy::vec_box)]
    spare: Vec<Box<MessageAssembler>>,
    /// Assemblies that are there, in use or spare.
    assemblies: usize,
}

impl DecodeBuffers {
    /// An empty one; it grows as it is used. `level` is the level of
    /// compression, 1 to 9.
    pub fn new(level: u8) -> Self {
        Self {
            buffers: Buffers::default(),
            codec: Codec::new(level),
            message: Vec::new(),
            spare: Vec::new(),
            assemblies: 0,
        }
    }

    /// The message that was announced as
    /// [`Payload::Assembled`](crate::proto::ws::Payload::Assembled). Give the buffer back
    /// when it is no longer needed.
    pub fn take_message(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.message)
    }

    /// Takes back a buffer that nobody needs.
    pub fn give(&mut self, buffer: Vec<u8>) {
        self.buffers.give(buffer);
    }

    /// Bytes of memory that are held for whoever comes next, or for messages that
    /// have not come to their end.
    pub(crate) fn memory(&self) -> usize {
        let assemblies = self.assemblies * size_of::<MessageAssembler>();
        self.buffers.memory() + self.codec.memory() + self.message.capacity() + assemblies
    }

    /// Gives the memory back that nobody needs just now.
    pub(crate) fn trim(&mut self) {
        self.buffers.trim();
        self.assemblies -= self.spare.len();
        self.spare = Vec::new();
    }

    pub(super) fn announce(&mut self, message: Vec<u8>) {
        let untaken = core::mem::replace(&mut self.message, message);
        self.give(untaken);
    }

    pub(super) fn begin_assembly(&mut self) -> Box<MessageAssembler> {
        self.spare.pop().unwrap_or_else(|| {
            self.assemblies += 1;
            Box::new(MessageAssembler::new())
        })
    }

    pub(super) fn end_assembly(&mut self, mut assembly: Box<MessageAssembler>) {
        self.buffers
            .take_back(core::mem::take(&mut assembly.message));
        if self.spare.len() < MOST {
            *assembly = MessageAssembler::new();
            self.spare.push(assembly);
        } else {
            self.assemblies -= 1;
        }
    }
}

impl Default for DecodeBuffers {
    fn default() -> Self {
        Self::new(6)
    }
}

/// Assemblies kept for the next message that comes in pieces.
const MOST: usize = 16;
