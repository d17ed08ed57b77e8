//! Number of admin requests by response status.

use std::sync::atomic::{AtomicU64, Ordering};

/// The statuses of admin responses. The last one also counts every status that is not listed.
pub const STATUSES: [u16; 16] = [
    200, 400, 403, 404, 405, 408, 413, 414, 417, 421, 431, 501, 503, 504, 505, 500,
];

/// Number of requests by response status.
#[derive(Debug, Default)]
pub struct StatusCounters([AtomicU64; STATUSES.len()]);

impl StatusCounters {
    /// Counts a response.
    pub fn count(&self, status: u16) {
        let index = STATUSES.iter().position(|&known| known == status);
        let index = index.unwrap_or(STATUSES.len() - 1);
        self.0[index].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counts in the order of [`STATUSES`].
    pub fn counts(&self) -> [u64; STATUSES.len()] {
        core::array::from_fn(|at| self.0[at].load(Ordering::Relaxed))
    }
}
