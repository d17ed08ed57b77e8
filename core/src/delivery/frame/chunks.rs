//! Slices of one write, in order. Adjacent slices are merged.

use smallvec::SmallVec;

/// Bytes for one write to one connection, borrowed from the shard. At most
/// [`Chunks::MAX`] slices, which fits the kernel's vectored write; nothing is allocated.
#[derive(Debug, Default)]
pub struct Chunks<'a> {
    slices: SmallVec<[&'a [u8]; Chunks::MAX]>,
    len: usize,
}

impl<'a> Chunks<'a> {
    /// The most slices there can be.
    pub const MAX: usize = 32;

    /// Creates an empty list of slices.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the slices, in order; none is empty.
    pub fn as_slices(&self) -> &[&'a [u8]] {
        &self.slices
    }

    /// Returns how many bytes they have together.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push(&mut self, slice: &'a [u8]) {
        if !slice.is_empty() {
            self.len += slice.len();
            self.slices.push(slice);
        }
    }
}
