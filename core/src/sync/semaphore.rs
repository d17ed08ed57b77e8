//! Owns how many of something may be under way at once, from a beginning to an
//! end. What it is that is under way, and who waits for a place, is its user's
//! business.

use crate::sync::primitive::{AtomicUsize, Ordering};

/// A bounded number of places.
///
/// Whether places are given out at all, and how many are taken, is one word, so that
/// after [`end`](Self::end) the number that [`taken`](Self::taken) says can only fall:
/// nobody who was let in is overlooked.
#[derive(Debug)]
pub(crate) struct Semaphore {
    limit: usize,
    /// How many are taken; [`BEGUN`]; [`ENDED`].
    state: AtomicUsize,
    given: AtomicUsize,
    full: AtomicUsize,
}

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoPlace {
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

    /// Takes a place, which is to be [given back](Self::give_back).
    pub(crate) fn try_take(&self) -> Result<(), NoPlace> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if state & ENDED != 0 {
                return Err(NoPlace::Ended);
            }
            if state & BEGUN == 0 {
                return Err(NoPlace::NotYet);
            }
            if state & !BEGUN >= self.limit {
                self.full.fetch_add(1, Ordering::Relaxed);
                return Err(NoPlace::Full);
            }
            // Whatever was done in a place is done for whoever gets it next.
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

    pub(crate) fn give_back(&self) {
        self.state.fetch_sub(1, Ordering::Release);
    }

    /// Permits are given out from now on.
    pub(crate) fn begin(&self) {
        self.state.fetch_or(BEGUN, Ordering::Relaxed);
    }

    /// No place is given out any more.
    pub(crate) fn end(&self) {
        self.state.fetch_or(ENDED, Ordering::Relaxed);
    }

    /// How many are taken. Zero after the end: what was done in them is done.
    pub(crate) fn taken(&self) -> usize {
        self.state.load(Ordering::Acquire) & !(BEGUN | ENDED)
    }

    /// How often one was given out, and how often none was free.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (
            self.given.load(Ordering::Relaxed),
            self.full.load(Ordering::Relaxed),
        )
    }
}

const ENDED: usize = 1 << (usize::BITS - 1);
const BEGUN: usize = ENDED >> 1;
