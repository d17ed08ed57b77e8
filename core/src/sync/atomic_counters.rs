//! Owns sums that several shards add to while they work on one value. When all
//! have added theirs is not known here: a [`SharedRef`](crate::sync::SharedRef) knows.

use crate::sync::primitive::{AtomicUsize, Ordering};

/// So many sums. Whoever finishes the parcel that a tally is in sees all that
/// was added.
#[derive(Debug)]
pub(crate) struct AtomicCounters<const N: usize>([AtomicUsize; N]);

impl<const N: usize> AtomicCounters<N> {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicUsize::new(0)))
    }

    pub(crate) fn add(&self, more: [u64; N]) {
        for (sum, n) in self.0.iter().zip(more) {
            // SendBuffer order what comes before their end.
            sum.fetch_add(n as usize, Ordering::Relaxed);
        }
    }

    pub(crate) fn sums(&self) -> [u64; N] {
        core::array::from_fn(|at| self.0[at].load(Ordering::Relaxed) as u64)
    }
}
