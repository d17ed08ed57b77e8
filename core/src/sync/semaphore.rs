//! Semaphore: limits how many operations may be in flight at once, between a beginning and an end.
//! The user defines the operations and how to wait for a permit.

use crate::sync::primitive::{AtomicUsize, Ordering};

/// A bounded number of permits.
///
/// One word holds whether permits are issued and how many are held, so that after
/// [`end`](Self::end) the number that [`held`](Self::held) returns can only fall: no holder of a
/// permit is overlooked.
#[derive(Debug)]
pub(crate) struct Semaphore {
    limit: usize,
    /// Number of permits held; [`BEGUN`]; [`ENDED`].
    state: AtomicUsize,
    given: AtomicUsize,
    full: AtomicUsize,
}

/// Reason why no permit is available.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AcquireError {
    NotYet,
    Full,
    Ended,
}

impl Semaphore {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.min(BEGUN - 1),
            state: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
            full: AtomicUsize::new(0),
        }
    }

    /// Acquires a permit, which must be [released](Self::release).
    pub(crate) fn try_acquire(&self) -> Result<(), AcquireError> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if state & ENDED != 0 {
                return Err(AcquireError::Ended);
            }
            if state & BEGUN == 0 {
                return Err(AcquireError::NotYet);
            }
            if state & !BEGUN >= self.limit {
                self.full.fetch_add(1, Ordering::Relaxed);
                return Err(AcquireError::Full);
            }
            // Everything done under a permit is visible to its next holder.
            match self.state.compare_exchange_weak(
                state,
                state + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(other) => state = other,
            }
        }
        self.given.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn release(&self) {
        self.state.fetch_sub(1, Ordering::Release);
    }

    /// Starts to issue permits.
    pub(crate) fn begin(&self) {
        self.state.fetch_or(BEGUN, Ordering::Relaxed);
    }

    /// Stops issuing permits.
    pub(crate) fn end(&self) {
        self.state.fetch_or(ENDED, Ordering::Relaxed);
    }

    /// Returns the number of permits held. Zero after the end means that everything done under them
    /// is complete and visible.
    pub(crate) fn held(&self) -> usize {
        self.state.load(Ordering::Acquire) & !(BEGUN | ENDED)
    }

    /// Returns how often a permit was issued, and how often none was free.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (
            self.given.load(Ordering::Relaxed),
            self.full.load(Ordering::Relaxed),
        )
    }
}

const ENDED: usize = 1 << (usize::BITS - 1);
const BEGUN: usize = ENDED >> 1;
