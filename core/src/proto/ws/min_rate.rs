//! Minimum rate of a peer: how far it is behind, as time, and when that is too far.
//! Costs a few instructions a step, whatever the number of messages.

use core::time::Duration;

use crate::time::{Timestamp, micros};

/// The slowest rate at which peers may take or send bytes, and for how long they may be
/// slower. A peer that takes or sends nothing falls behind by a second in a second, and
/// each byte brings it nearer by the time that it may take at this rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinRate {
    per_second: u64,
    window: u64,
}

/// The progress of a message that is being received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// When its last bytes came; none before it is first looked at.
    pub(crate) since: Option<Timestamp>,
    /// By how many microseconds it was behind then.
    pub(crate) behind: u32,
    /// Whether its time has begun anew because nobody looked when it was over.
    pub(crate) excused: bool,
}

impl Pace {
    pub(crate) const NEW: Self = Self {
        since: None,
        behind: 0,
        excused: false,
    };
}

impl MinRate {
    /// So many bytes a second; `None` if that is zero.
    pub(crate) fn new(per_second: usize, window: Duration) -> Option<Self> {
        (per_second > 0).then_some(Self {
            per_second: per_second as u64,
            window: micros(window),
        })
    }

    /// By how many microseconds a peer is behind that was so by `behind`, and has now,
    /// `gap` later, taken or sent `n` bytes more.
    pub(crate) fn advance(self, behind: u32, gap: Duration, n: usize) -> u32 {
        // Rounded up, so that a peer at exactly this rate never falls behind.
        let worth = (n as u64)
            .saturating_mul(1_000_000)
            .div_ceil(self.per_second);
        let behind = u64::from(behind).saturating_add(micros(gap));
        u32::try_from(behind.saturating_sub(worth)).unwrap_or(u32::MAX)
    }

    /// Returns how much of the time from `since` to `now` counts for a peer: none if it would be
    /// too far behind by now and that is noticed late, by more than `tolerance`.
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

    /// When a peer is too far behind that was so by `behind` at that time, if it takes or
    /// sends nothing more.
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

    /// How many seconds a peer lasts that takes `n` bytes every so many seconds.
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
    fn a_peer_at_the_rate_lasts_for_ever_and_one_below_it_does_not() {
        let rate = MinRate::new(300, 60 * SECOND).expect("on");
        for every in [1, 2, 7, 60] {
            assert_eq!(lasts(rate, 300 * every as usize, every), None, "{every} s");
            let less = lasts(rate, 300 * every as usize * 99 / 100, every);
            assert!(less.is_some(), "every {every} s");
        }
        // However much at a time, there must be something once in a window.
        assert_eq!(lasts(rate, 1 << 20, 61), Some(0));
        // At half the rate it takes two windows.
        let half = lasts(rate, 150, 1).expect("too slow");
        assert!((118..=120).contains(&half), "{half} s");
        // The one that takes a byte every nine seconds.
        assert!(lasts(rate, 1, 9) <= Some(60));
    }

    #[test]
    fn no_number_is_too_large() {
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
