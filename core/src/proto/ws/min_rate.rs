//! Minimum rate of a peer: the time by which it is behind, and the time at which it is
//! disconnected.
//!
//! A step costs a few instructions, independent of the number of messages.

use core::time::Duration;

use crate::time::{Timestamp, micros};

/// The minimum rate at which peers read or send bytes, and the window for lower rates. A peer that
/// reads or sends nothing falls behind by one second per second; each byte reduces that by its time
/// at the minimum rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinRate {
    per_second: u64,
    window: u64,
}

/// The progress of a message that is being received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveProgress {
    /// The time of its last bytes; `None` before the first look at it.
    pub(crate) since: Option<Timestamp>,
    /// The microseconds by which it was behind at that time.
    pub(crate) behind: u32,
    /// Whether its window was restarted because its end was noticed late.
    pub(crate) excused: bool,
}

impl ReceiveProgress {
    pub(crate) const NEW: Self = Self {
        since: None,
        behind: 0,
        excused: false,
    };
}

impl MinRate {
    /// Returns a rate in bytes per second; `None` if it is zero.
    pub(crate) fn new(per_second: usize, window: Duration) -> Option<Self> {
        (per_second > 0).then_some(Self {
            per_second: per_second as u64,
            window: micros(window),
        })
    }

    /// Returns the microseconds by which a peer is behind that was behind by `behind` and has read
    /// or sent `n` bytes in the following `gap`.
    pub(crate) fn advance(self, behind: u32, gap: Duration, n: usize) -> u32 {
        // Rounded up, so that a peer at exactly this rate never falls behind.
        let worth = (n as u64)
            .saturating_mul(1_000_000)
            .div_ceil(self.per_second);
        let behind = u64::from(behind).saturating_add(micros(gap));
        u32::try_from(behind.saturating_sub(worth)).unwrap_or(u32::MAX)
    }

    /// Returns the part of the time from `since` to `now` that counts for a peer: zero if it would
    /// be too far behind by now and that is noticed late, by more than `tolerance`.
    pub(crate) fn gap(
        self,
        behind: u32,
        since: Timestamp,
        now: Timestamp,
        tolerance: Duration,
    ) -> Duration {
        if now.since(self.deadline(behind, since)) > tolerance {
            Duration::ZERO
        } else {
            now.since(since)
        }
    }

    /// Returns the time at which a peer that was behind by `behind` at `since` is too far behind,
    /// if it reads or sends nothing more.
    pub(crate) fn deadline(self, behind: u32, since: Timestamp) -> Timestamp {
        since.after(Duration::from_micros(
            self.window.saturating_sub(behind.into()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// Returns the seconds for which a peer is kept that reads `n` bytes at this interval.
    fn lasts(rate: MinRate, n: usize, every: u64) -> Option<u64> {
        let (mut behind, mut now) = (0, 0);
        while now < 100_000 {
            if rate.deadline(behind, at(now)) < at(now + every) {
                return Some(now);
            }
            now += every;
            behind = rate.advance(behind, SECOND * every as u32, n);
        }
        None
    }

    #[test]
    fn only_a_peer_below_the_rate_falls_behind() {
        let rate = MinRate::new(300, 60 * SECOND).expect("on");
        for every in [1, 2, 7, 60] {
            assert_eq!(lasts(rate, 300 * every as usize, every), None, "{every} s");
            let less = lasts(rate, 300 * every as usize * 99 / 100, every);
            assert!(less.is_some(), "every {every} s");
        }
        // Within each window there must be some progress.
        assert_eq!(lasts(rate, 1 << 20, 61), Some(0));
        // At half the rate it takes two windows.
        let half = lasts(rate, 150, 1).expect("too slow");
        assert!((118..=120).contains(&half), "{half} s");
        // One byte every nine seconds.
        assert!(lasts(rate, 1, 9) <= Some(60));
    }

    #[test]
    fn extreme_numbers_saturate() {
        assert!(MinRate::new(0, SECOND).is_none());
        let rate = MinRate::new(usize::MAX, Duration::MAX).expect("on");
        assert_eq!(rate.advance(u32::MAX, Duration::MAX, usize::MAX), u32::MAX);
        assert_eq!(rate.advance(5, Duration::ZERO, usize::MAX), 4);
        let end = Timestamp::from_micros(u64::MAX);
        assert_eq!(rate.deadline(0, end), end);
        let slow = MinRate::new(1, SECOND).expect("on");
        assert_eq!(slow.advance(u32::MAX, Duration::MAX, usize::MAX), 0);
    }
}
