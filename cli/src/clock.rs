//! Owns the translation between the system's clock and the core's time.

use std::time::Instant;

use stentor_core::Timestamp;

use crate::deadline::later;

/// A clock that all shards of a server share.
///
/// It is the system's monotonic clock ([`Instant`]): it never goes back, and nobody can set it.
/// It goes on while the process is stopped or has no CPU, which is why time-outs that were not
/// looked at in time begin anew. Whether it goes on while the machine sleeps is for the system:
/// on Linux it does not (`CLOCK_MONOTONIC`), so that time counts for nothing, and peers that have
/// gone meanwhile are found as ever, by a ping. Where it does, or a virtual machine is continued
/// and its clock with it, that is like a stop of the process.
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
        self.timestamp(Instant::now())
    }

    /// That time for the core; its beginning, for what was before.
    fn timestamp(self, at: Instant) -> Timestamp {
        Timestamp::ORIGIN.after(at.saturating_duration_since(self.origin))
    }

    /// When that is, for the system; far ahead if its clock does not reach so far.
    #[must_use]
    pub fn instant(self, at: Timestamp) -> Instant {
        later(self.origin, at.since(Timestamp::ORIGIN))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_never_goes_back_and_has_no_end() {
        let clock = Clock::start();
        let before = clock.origin.checked_sub(Duration::from_secs(1));
        let before = before.map(|before| clock.timestamp(before));
        assert!(before.is_none_or(|before| before == Timestamp::ORIGIN));
        let at = Timestamp::from_micros(90_000_000);
        assert_eq!(clock.timestamp(clock.instant(at)), at);
        let end = Timestamp::from_micros(u64::MAX);
        assert!(clock.instant(end) > clock.instant(at));
        assert!(clock.now() <= clock.now());
    }
}
