//! Sums that several shards add to while they work on one value. When all shards have added theirs
//! is not known here, but to [`SharedRef`](crate::sync::SharedRef).

use crate::sync::primitive::{AtomicUsize, Ordering};

/// `N` sums. The thread that receives the value of the [`SharedRef`](crate::sync::SharedRef) that
/// contains them sees everything that was added.
#[derive(Debug)]
pub(crate) struct AtomicCounters<const N: usize>([AtomicUsize; N]);

impl<const N: usize> AtomicCounters<N> {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicUsize::new(0)))
    }

    pub(crate) fn add(&self, more: [u64; N]) {
        for (sum, n) in self.0.iter().zip(more) {
            // Ending a share of the `SharedRef` orders this addition.
            sum.fetch_add(n as usize, Ordering::Relaxed);
        }
    }

    pub(crate) fn sums(&self) -> [u64; N] {
        core::array::from_fn(|at| self.0[at].load(Ordering::Relaxed) as u64)
    }
}
