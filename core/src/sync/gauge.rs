//! Number that threads raise and lower, and that any thread reads. It orders nothing else.

use crate::sync::primitive::{AtomicUsize, Ordering};

/// A number that is shared by threads.
#[derive(Debug)]
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    /// Returns a gauge at zero.
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Lowers the number by one that was added before.
    pub(crate) fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the number. A thread sees at least its own changes.
    pub(crate) fn value(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
