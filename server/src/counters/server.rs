//! Counters of a server that neither a shard nor the dispatcher can keep.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stentor_core::Timestamp;
use tracing::warn;

use super::statuses::{STATUSES, StatusCounters};
use crate::Throttle;

/// Listener errors and answers of the admin pages. One per server.
#[derive(Debug)]
pub struct ServerCounters {
    accept_errors: AtomicU64,
    accept_log: Mutex<Throttle>,
    admin: StatusCounters,
}

/// Values of [`ServerCounters`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ServerCounts {
    /// Failed accepts, for example because no file descriptor was left.
    pub accept_errors: u64,
    /// Requests for admin pages, in the order of [`STATUSES`].
    pub admin: [u64; STATUSES.len()],
}

impl ServerCounters {
    /// Returns counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            accept_errors: AtomicU64::new(0),
            accept_log: Mutex::new(Throttle::new(ACCEPT_LINES, ACCEPT_LINES)),
            admin: StatusCounters::default(),
        }
    }

    /// Counts a failed accept. Logs at most one per second, since the accept is retried.
    pub fn count_accept_error(&self, now: Timestamp, error: &io::Error) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
        let mut log = self
            .accept_log
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(held_back) = log.admit(now) {
            warn!(%error, held_back, "accept error");
        }
    }

    /// Counts a request for an admin page by the status of its response.
    pub fn count_admin(&self, status: u16) {
        self.admin.count(status);
    }

    /// Returns the current values.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        ServerCounts {
            accept_errors: self.accept_errors.load(Ordering::Relaxed),
            admin: self.admin.counts(),
        }
    }
}

impl Default for ServerCounters {
    fn default() -> Self {
        Self::new()
    }
}

/// Log lines about failed accepts, at once and per second.
const ACCEPT_LINES: u32 = 1;
