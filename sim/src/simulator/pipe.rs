//! One direction of a simulated socket: the bytes in flight, and their limit.

use std::collections::VecDeque;

/// Bytes that were written and not yet read.
#[derive(Debug)]
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    /// How many of them can be read.
    arrived: usize,
    /// The others: when so many more can.
    waves: VecDeque<(u64, usize)>,
    capacity: usize,
    /// The writer has shut its side.
    pub(super) shut: bool,
}

impl Pipe {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            arrived: 0,
            waves: VecDeque::new(),
            capacity,
            shut: false,
        }
    }

    /// Returns how many bytes can be read.
    pub(super) const fn readable(&self) -> usize {
        self.arrived
    }

    /// Returns whether nothing can be read, now or later, until more is written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns whether there is nothing to be read any more but the end.
    pub(super) fn is_over(&self) -> bool {
        self.shut && self.bytes.is_empty()
    }

    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Takes as many of the bytes as there is room for. They can be read once it
    /// is `due`, but not before those that went in front of them.
    pub(super) fn write(&mut self, bytes: &[u8], due: u64) -> usize {
        let n = bytes.len().min(self.room());
        self.bytes.extend(&bytes[..n]);
        let due = self.waves.back().map_or(due, |&(last, _)| due.max(last));
        if n > 0 {
            self.waves.push_back((due, n));
        }
        n
    }

    /// Lets arrive what is due.
    pub(super) fn arrive(&mut self, now: u64) {
        while let Some(&(due, n)) = self.waves.front()
            && due <= now
        {
            self.arrived += n;
            self.waves.pop_front();
        }
    }

    /// Returns when the next bytes arrive.
    pub(super) fn next(&self) -> Option<u64> {
        self.waves.front().map(|&(due, _)| due)
    }

    pub(super) fn read_into(&mut self, to: &mut [u8]) {
        let n = to.len();
        to.copy_from_slice(&self.bytes.make_contiguous()[..n]);
        self.bytes.drain(..n);
        self.arrived -= n;
    }

    pub(super) fn read(&mut self, most: usize) -> Vec<u8> {
        let n = most.min(self.arrived);
        self.arrived -= n;
        self.bytes.drain(..n).collect()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.waves.clear();
        self.arrived = 0;
    }
}
