//! Read buffer of a client, of a fixed size: unprocessed bytes are part of a head or of a frame,
//! never of an assembled message.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes between two cursors.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadBuffer {
    /// Returns a buffer for a head of this length and one more byte, and at least 16 KiB.
    pub(super) fn new(max_head: usize) -> Self {
        Self {
            bytes: vec![0; MIN_SIZE.max(max_head.saturating_add(1))],
            start: 0,
            end: 0,
        }
    }

    /// Returns the free space.
    pub(super) fn free_space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// Marks the first `n` bytes of the free space as received.
    pub(super) fn advance(&mut self, n: usize) {
        self.end = self.bytes.len().min(self.end + n);
    }

    /// Returns the unprocessed bytes and their position.
    pub(super) fn unprocessed(&mut self) -> (&mut [u8], usize) {
        (&mut self.bytes[self.start..self.end], self.start)
    }

    /// Marks `n` bytes as processed.
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start + n);
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Returns bytes by position, processed or not, until [`free_space`](Self::free_space) is called.
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// The minimum size in bytes.
const MIN_SIZE: usize = 16 << 10;
