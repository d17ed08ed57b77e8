//! Owns the count of requests for admin pages, by the status of the answer.

use std::sync::atomic::{AtomicU64, Ordering};

/// The statuses with which such requests are answered; the last stands for all others.
pub const STATUSES: [u16; 12] = [200, 400, 403, 404, 405, 408, 413, 421, 431, 503, 504, 500];

/// How many requests were answered with each status.
#[derive(Debug, Default)]
pub struct StatusCounters([AtomicU64; STATUSES.len()]);

impl StatusCounters {
    /// One more.
    pub fn count(&self, status: u16) {
        let place = STATUSES.iter().position(|&known| known == status);
        let place = place.unwrap_or(STATUSES.len() - 1);
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// In the order of [`STATUSES`].
    pub fn counts(&self) -> [u64; STATUSES.len()] {
        core::array::from_fn(|at| self.0[at].load(Ordering::Relaxed))
    }
}
