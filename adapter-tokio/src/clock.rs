//! Owns the translation between the system's clock and the core's time.

use std::time::Instant;

use stentor_core::Timestamp;

/// A clock that all shards share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Timestamp {
        Timestamp::from_micros(self.origin.elapsed().as_micros() as u64)
    }

    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        self.origin + at.since(Timestamp::ORIGIN)
    }
}
