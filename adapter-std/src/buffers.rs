//! Owns the large buffers that threads read into and write from. A thread has
//! one only while bytes are under way, so idle connections have none.

use std::sync::PoisonError;

use crate::primitive::{Mutex, MutexGuard};

/// Buffers that nobody uses just now.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    idle: Mutex<Vec<Box<[u8]>>>,
}

impl Buffers {
    /// A buffer of [`BUFFER`] bytes, whatever is in it.
    pub(crate) fn take(&self) -> Box<[u8]> {
        let idle = self.idle().pop();
        idle.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice())
    }

    /// Takes a buffer back, or frees it if there are enough.
    pub(crate) fn give(&self, buffer: Box<[u8]>) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(buffer);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a buffer is: what one read or one write may carry.
pub(crate) const BUFFER: usize = 64 << 10;
/// Buffers kept for whoever needs one next.
const MOST_IDLE: usize = 16;
