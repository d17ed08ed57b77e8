//! Owns one direction of a fake socket: bytes under way, and how many may be.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes that were written and not yet read.
#[derive(Debug)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The writer has shut its side.
    pub(super) shut: bool,
}

impl Pipe {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            shut: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Takes as many of the bytes as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room());
        self.bytes.extend(&bytes[..n]);
        n
    }

    pub(super) fn read_into(&mut self, to: &mut [u8]) {
        let n = to.len();
        to.copy_from_slice(&self.bytes.make_contiguous()[..n]);
        self.bytes.drain(..n);
    }

    pub(super) fn read(&mut self, most: usize) -> Vec<u8> {
        let n = most.min(self.bytes.len());
        self.bytes.drain(..n).collect()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}
