//! Shared pool of the large buffers that threads read into and write from. A thread holds one only
//! while it transfers bytes, so idle connections have none.

use crate::free_list::FreeList;

/// Buffers that are not in use.
#[derive(Debug, Default)]
pub(crate) struct BufferPool(FreeList<Box<[u8]>>);

impl BufferPool {
    /// Returns a buffer of [`BUFFER`] bytes with unspecified contents.
    pub(crate) fn take(&self) -> Box<[u8]> {
        let spare = self.0.take();
        spare.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice())
    }

    /// Returns a buffer to the pool.
    pub(crate) fn give(&self, buffer: Box<[u8]>) {
        self.0.give(buffer);
    }
}

/// Length of a buffer in bytes: the limit of one read or one write.
pub(crate) const BUFFER: usize = 64 << 10;
