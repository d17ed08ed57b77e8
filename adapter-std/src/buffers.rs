//! Owns the large buffers that threads read into and write from. A thread has
//! one only while bytes are under way, so idle connections have none.

use crate::free_list::FreeList;

/// Buffers that nobody uses just now.
#[derive(Debug, Default)]
pub(crate) struct Buffers(FreeList<Box<[u8]>>);

impl Buffers {
    /// A buffer of [`BUFFER`] bytes, whatever is in it.
    pub(crate) fn take(&self) -> Box<[u8]> {
        let spare = self.0.take();
        spare.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice())
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, buffer: Box<[u8]>) {
        self.0.give(buffer);
    }
}

/// How long a buffer is: what one read or one write may carry.
pub(crate) const BUFFER: usize = 64 << 10;
