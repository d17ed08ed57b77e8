//! Owns the bytes that were read and are not done with: room of a fixed size,
//! because what is left over is a piece of a head or of a frame, never of a
//! message.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes between two cursors.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// Room for a head of this length and a byte more, and for reads of a decent size.
    pub(super) fn new(max_head: usize) -> Self {
        Self {
            bytes: vec![0; READ.max(max_head.saturating_add(1))],
            start: 0,
            end: 0,
        }
    }

    /// Where more goes.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// Takes so many of the bytes that were put there.
    pub(super) fn fill(&mut self, n: usize) {
        self.end = self.bytes.len().min(self.end + n);
    }

    /// What is not done with, and where it begins.
    pub(super) fn rest(&mut self) -> (&mut [u8], usize) {
        (&mut self.bytes[self.start..self.end], self.start)
    }

    /// Is done with so many.
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start + n);
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Bytes at a place, consumed or not, until there is room for more.
    pub(super) fn at(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// Bytes that one read may bring.
const READ: usize = 16 << 10;
