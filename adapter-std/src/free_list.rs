//! Owns what a thread needs only for a moment and the next one can use again.

use std::sync::PoisonError;

use crate::primitive::{Mutex, MutexGuard};

/// Some of a kind that nobody uses just now.
#[derive(Debug, Default)]
pub(crate) struct FreeList<T> {
    idle: Mutex<Vec<T>>,
}

impl<T> FreeList<T> {
    /// One that was given back, if there is any.
    pub(crate) fn take(&self) -> Option<T> {
        self.idle().pop()
    }

    /// Takes one back, or frees it if there are enough.
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

/// What is kept of each kind. Measured: while a room of a thousand is told, up to
/// 45 threads have one at once, although each has it for a moment only.
const MOST_IDLE: usize = 64;
