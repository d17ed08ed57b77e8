//! Runs: segments of 32 KiB in which frames are adjacent, so that neighbours leave as one slice.

use alloc::vec::Vec;

use crate::table::Place;

/// How much one run holds, in bytes.
pub(crate) const RUN: usize = 32 << 10;

/// A segment, and which frames were put into it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) bytes: Vec<u8>,
    /// The frames put here since the run was last empty; some are gone, and
    /// their ids may have passed to frames elsewhere.
    pub(crate) frames: Vec<u32>,
    /// How many frames here are still wanted.
    pub(crate) live: u32,
    /// Their bytes here; of a vacant place the number of the next.
    pub(crate) live_bytes: u32,
}

impl Place for Run {
    fn vacate(&mut self, next: u32) {
        *self = Self {
            live_bytes: next,
            ..Self::default()
        };
    }

    fn next_vacant(&self) -> u32 {
        self.live_bytes
    }
}

impl Run {
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.bytes.len() + len <= RUN
    }

    /// Makes room for more frames in the list; says by how many bytes it has grown.
    #[cold]
    pub(crate) fn grow_list(&mut self) -> usize {
        let before = self.list_bytes();
        self.frames.reserve(1);
        self.list_bytes() - before
    }

    /// Returns the bytes of memory of the list of frames.
    pub(crate) const fn list_bytes(&self) -> usize {
        self.frames.capacity() * size_of::<u32>()
    }

    /// Makes it as good as new; what it has allocated it keeps.
    pub(crate) fn reset(&mut self) {
        self.bytes.clear();
        self.frames.clear();
        self.live_bytes = 0;
    }

    /// Returns whether so little here is still wanted that it is cheaper to move it
    /// than to keep the run: under an eighth.
    pub(crate) fn is_sparse(&self) -> bool {
        (self.live_bytes as usize) < RUN / 8
    }
}
