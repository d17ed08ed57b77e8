//! Counters of a server that neither a shard nor the dispatcher can keep.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stentor_core::Timestamp;
use tracing::warn;

use super::statuses::{STATUSES, StatusCounters};
use crate::Throttle;
#[cfg(feature = "program")]
use crate::state_file::CAUSES;

/// Listener errors and answers of the admin pages. One per server.
#[derive(Debug)]
pub struct ServerCounters {
    accept_errors: AtomicU64,
    accept_delays: AtomicU64,
    accept_log: Mutex<Throttle>,
    admin: StatusCounters,
    #[cfg(feature = "program")]
    state_refused: [AtomicU64; CAUSES.len()],
}

/// Values of [`ServerCounters`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ServerCounts {
    /// Failed accepts, for example because no file descriptor was left.
    pub accept_errors: u64,
    /// Accepted connections that had to wait because others had come back before them.
    pub accept_delays: u64,
    /// Requests for admin pages, in the order of [`STATUSES`].
    pub admin: [u64; STATUSES.len()],
    /// State files that were not used, by cause.
    #[cfg(feature = "program")]
    pub(crate) state_refused: [u64; CAUSES.len()],
}

impl ServerCounters {
    /// Returns counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            accept_errors: AtomicU64::new(0),
            accept_delays: AtomicU64::new(0),
            accept_log: Mutex::new(Throttle::new(ACCEPT_LINES, ACCEPT_LINES)),
            admin: StatusCounters::default(),
            #[cfg(feature = "program")]
            state_refused: Default::default(),
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

    /// Counts a connection that waits before it is admitted.
    pub(crate) fn count_accept_delay(&self) {
        self.accept_delays.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request for an admin page by the status of its response.
    pub fn count_admin(&self, status: u16) {
        self.admin.count(status);
    }

    /// Counts a state file that is not used.
    #[cfg(feature = "program")]
    pub(crate) fn count_state_refused(&self, cause: &str) {
        if let Some(at) = CAUSES.iter().position(|&other| other == cause) {
            self.state_refused[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the current values.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        ServerCounts {
            accept_errors: self.accept_errors.load(Ordering::Relaxed),
            accept_delays: self.accept_delays.load(Ordering::Relaxed),
            admin: self.admin.counts(),
            #[cfg(feature = "program")]
            state_refused: core::array::from_fn(|at| {
                self.state_refused[at].load(Ordering::Relaxed)
            }),
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
