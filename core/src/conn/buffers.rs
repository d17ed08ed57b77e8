//! Owns the memory in which split messages are put together: borrowed by a
//! connection while it needs it, so that an idle connection has none.

use alloc::vec::Vec;

/// Buffers that wait for the next message that comes in pieces.
#[derive(Debug, Default)]
pub struct Buffers {
    spare: Vec<Vec<u8>>,
}

impl Buffers {
    /// An empty buffer, one used before if there is one.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Gives a buffer back. One that has grown far beyond what most messages
    /// need is let go, and so is one more than a few.
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= LARGEST && self.spare.len() < MOST {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

const LARGEST: usize = 256 << 10;
const MOST: usize = 16;
