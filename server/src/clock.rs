//! Monotonic clock of the system, as timestamps of the core, and its wall clock.

use std::time::{Duration, Instant, SystemTime};

use stentor_core::Timestamp;

/// A clock that all shards of a server share.
///
/// It is the monotonic clock of the system ([`Instant`]): it never goes back and cannot be set. It
/// continues while the process is stopped or has no CPU, so a timeout that was not checked in time
/// begins again. Whether it continues while the machine sleeps depends on the system. On Linux
/// (`CLOCK_MONOTONIC`) it does not: that time does not count, and a ping finds peers that have gone
/// meanwhile. Where it does, or where a virtual machine is resumed, the effect is that of a stop of
/// the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Returns a clock whose origin is now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.timestamp(Instant::now())
    }

    /// Converts a time of the system; one before the origin becomes the origin.
    fn timestamp(self, at: Instant) -> Timestamp {
        Timestamp::ORIGIN.after(at.saturating_duration_since(self.origin))
    }

    /// Converts a timestamp to a time of the system. One beyond the system's range becomes a time
    /// that no process reaches.
    #[must_use]
    pub fn instant(self, at: Timestamp) -> Instant {
        let delay = at.since(Timestamp::ORIGIN);
        self.origin
            .checked_add(delay)
            .unwrap_or_else(|| self.origin + FAR)
    }
}

/// The wall clock of the system, read again from time to time, because it may be set.
#[derive(Debug, Default)]
pub struct WallClock {
    /// When it is to be read next.
    next: Option<Timestamp>,
}

impl WallClock {
    /// Returns the time since the Unix epoch if it is to be read now: at first, and every second.
    /// A clock that is set to a time before the epoch shows the epoch.
    pub fn read(&mut self, now: Timestamp) -> Option<Duration> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now.after(Duration::from_secs(1)));
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Some(unix.unwrap_or_default())
    }
}

/// Longer than any process lives.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_read_every_second() {
        let mut clock = WallClock::default();
        let at = |millis: u64| Timestamp::from_micros(millis * 1_000);
        let reads = [0, 1, 999, 1_000, 1_500, 9_000].map(|now| clock.read(at(now)).is_some());
        assert_eq!(reads, [true, false, false, true, false, true]);
        let first_release = Duration::from_secs(1_700_000_000);
        assert!(WallClock::default().read(at(0)) > Some(first_release));
    }

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
