//! Pace at which connections are accepted after a restart. Those that the server before has closed at a
//! pace all wait for the new one, and would come at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stentor_core::Timestamp;

/// The pace, and until when it is kept.
#[derive(Debug)]
pub(crate) struct AcceptPace {
    /// Between two connections, in nanoseconds; 0 without a pace.
    interval: u64,
    /// In microseconds; 0 if there was no restart. Read for each connection, and written once.
    until: AtomicU64,
    /// When the next one is due, in nanoseconds.
    next: Mutex<u64>,
}

impl AcceptPace {
    /// Returns the pace of a server that closes connections at this rate, per second; 0 for none.
    pub(crate) const fn new(shutdown_rate: usize) -> Self {
        let interval = match shutdown_rate as u64 {
            0 => 0,
            // One and a half times as fast: what came late is to be made up for.
            rate => NANOS * 2 / (rate * 3),
        };
        Self {
            interval,
            until: AtomicU64::new(0),
            next: Mutex::new(0),
        }
    }

    /// Begins to keep the pace: the server takes the place of one that has closed its connections.
    #[cfg(any(test, feature = "program"))]
    pub(crate) fn begin(&self, now: Timestamp) {
        let until = now.after(DURATION).as_micros();
        self.until.store(until, Ordering::Relaxed);
    }

    /// Returns how long a connection that has just been accepted has to wait, if it has to.
    pub(crate) fn delay(&self, now: Timestamp) -> Option<Duration> {
        if now.as_micros() >= self.until.load(Ordering::Relaxed) || self.interval == 0 {
            return None;
        }
        let now = now.as_micros().saturating_mul(1_000);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // Time that was not used is made up for, as far as timers are not exact.
        let due = (*next).max(now.saturating_sub(SLACK));
        *next = due + self.interval;
        let delay = due.saturating_sub(now);
        // Shorter ones add up to one that a timer can keep.
        (delay > SLACK).then(|| Duration::from_nanos(delay))
    }
}

/// How long the pace is kept: as long as clients may take to come back.
#[cfg(any(test, feature = "program"))]
const DURATION: Duration = Duration::from_secs(60);
const SLACK: u64 = 5_000_000;
const NANOS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many connections are let in within each second, if there are always some.
    fn admitted(pace: &AcceptPace, seconds: usize) -> Vec<u64> {
        let mut counts = vec![0; seconds];
        let mut now = Timestamp::ORIGIN;
        loop {
            if let Some(delay) = pace.delay(now) {
                now = now.after(delay);
            }
            let second = now.as_micros() / 1_000_000;
            match counts.get_mut(second as usize) {
                Some(count) => *count += 1,
                None => return counts,
            }
            // A listener is not faster than that.
            now = now.after(Duration::from_micros(5));
        }
    }

    #[test]
    fn a_second_lets_in_half_more_than_are_closed_in_one() {
        for rate in [1, 50, 1_000, 5_000] {
            let pace = AcceptPace::new(rate as usize);
            pace.begin(Timestamp::ORIGIN);
            let counts = admitted(&pace, 20);
            let most = rate * 3 / 2 + rate / 50 + 2;
            assert!(
                counts.iter().all(|&count| count <= most),
                "{rate}: {counts:?}"
            );
            let all: u64 = counts.iter().sum();
            assert!(all >= 20 * rate, "{rate}: {counts:?}");
        }
    }

    #[test]
    fn there_is_no_pace_without_a_restart_or_a_rate_or_after_a_minute() {
        let now = Timestamp::ORIGIN.after(Duration::from_secs(5));
        for pace in [AcceptPace::new(1), AcceptPace::new(0)] {
            assert!((0..100).all(|_| pace.delay(now).is_none()));
        }
        let none = AcceptPace::new(0);
        none.begin(now);
        assert!((0..100).all(|_| none.delay(now).is_none()));
        let pace = AcceptPace::new(1);
        pace.begin(now);
        assert!((0..3).any(|_| pace.delay(now).is_some()));
        let later = now.after(DURATION);
        assert!((0..100).all(|_| pace.delay(later).is_none()));
    }
}
