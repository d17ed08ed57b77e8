//! Watchdog: ends a run in which nothing happens any more.

use std::time::{Duration, Instant};

use crate::error::Error;

/// Watches a count that changes as long as the run makes progress.
#[derive(Debug)]
pub(crate) struct Watchdog {
    count: u64,
    last_change: Instant,
}

impl Watchdog {
    /// Starts to watch a count with this value.
    pub(crate) fn new(count: u64) -> Self {
        Self {
            count,
            last_change: Instant::now(),
        }
    }

    /// Returns an error if the count has not changed for [`TIMEOUT`].
    pub(crate) fn check(&mut self, count: u64) -> Result<(), Error> {
        if count != self.count {
            *self = Self::new(count);
        } else if self.last_change.elapsed() > TIMEOUT {
            return Err(Error::Timeout(TIMEOUT.as_secs()));
        }
        Ok(())
    }
}

/// The maximum time without progress.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
