//! Owns the translation between the system's clock and the core's time.

use std::time::Instant;

use stentor_core::Timestamp;

/// A clock that all shards of a server share.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// What time it is, for the core.
    #[must_use]
    pub fn now(self) -> Timestamp {
        Timestamp::from_micros(self.origin.elapsed().as_micros() as u64)
    }

    /// When that is, for the system.
    #[must_use]
    pub fn instant(self, at: Timestamp) -> Instant {
        self.origin + at.since(Timestamp::ORIGIN)
    }
}
