//! Free list of values that a thread needs for a moment and the next thread can reuse.

use std::sync::PoisonError;

use crate::primitive::{Mutex, MutexGuard};

/// Values of one kind that are not in use.
#[derive(Debug, Default)]
pub(crate) struct FreeList<T> {
    idle: Mutex<Vec<T>>,
}

impl<T> FreeList<T> {
    /// Returns a value that was given back, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        self.idle().pop()
    }

    /// Takes a value back, or drops it if there are enough.
    pub(crate) fn give(&self, spare: T) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(spare);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<T>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum number of idle values kept. Measured: while a message goes to a room of 1,000 members,
/// up to 45 threads have one at once, although each has it only for a moment.
const MOST_IDLE: usize = 64;
