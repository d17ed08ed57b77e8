//! Counts of the frame store for tests.

use crate::delivery::frame::run::{RUN, Run};
use crate::delivery::frame::store::{Body, Store};

impl Store {
    /// Counts the bytes of memory in all anew.
    pub(crate) fn count_memory(&self) -> u64 {
        let of_run = |run: &Run| run.bytes.capacity() + run.list_bytes();
        let runs: usize = self.runs.iter().map(of_run).sum();
        // The open run is counted before its first frame, with which it gets its memory.
        let is_bare = self.runs[self.open].bytes.capacity() == 0;
        let open = if is_bare { RUN } else { 0 };
        let bodies: u64 = self.bodies.iter().map(Body::memory).sum();
        let tables = [
            self.records.memory(),
            self.bodies.memory(),
            self.terms.memory(),
            self.runs.memory(),
            self.spare.capacity() * size_of::<u32>(),
            self.spare_bodies.memory(),
            self.packed.capacity(),
        ];
        (runs + open + tables.iter().sum::<usize>()) as u64 + bodies
    }

    /// Returns the number of frames that somebody still holds, those in batches among them.
    pub(crate) fn live(&self) -> usize {
        let frames = self.records.iter();
        frames.filter(|r| r.refs > 0 && r.messages == 1).count()
    }

    pub(crate) const fn evacuated(&self) -> u64 {
        self.evacuated
    }
}
