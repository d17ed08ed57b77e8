//! Order that concerns every connection of a shard, and its progress.

use core::time::Duration;

use crate::CloseCode;
use crate::chance::Chance;
use crate::time::Timestamp;

/// An order, and how far it has been carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) order: SweepOrder,
    /// The first slot for which it has not been.
    pub(crate) next: u32,
}

/// The pace at which connections are closed.
#[derive(Clone, Debug)]
pub(crate) struct ClosePace {
    /// When the next one may be closed.
    pub(crate) next_at: Timestamp,
    interval: Duration,
    chance: Chance,
}

impl ClosePace {
    /// Returns the pace of closing `count` connections with this time between two, but all of them
    /// within a time. The chance is that of the shard.
    pub(crate) fn new(
        now: Timestamp,
        interval: Duration,
        within: Duration,
        count: u64,
        seed: u64,
    ) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        Self {
            next_at: now,
            interval: interval.min(within / count),
            chance: Chance::new(seed),
        }
    }

    /// Takes note that one is closed: the next is, on average, after the interval.
    pub(crate) fn handle_closed(&mut self) {
        // 0.5 to 1.5 of it.
        let share = self.chance.next() >> 40;
        let share = 0.5 + share as f32 / (1_u32 << 24) as f32;
        self.next_at = self.next_at.after(self.interval.mul_f32(share));
    }
}

/// What is done for each connection. A later one takes the place of one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SweepOrder {
    /// It is read no more.
    Drain,
    /// Its closing handshake begins.
    Close(CloseCode),
    /// It is cut off.
    Abort,
}

impl SweepOrder {
    /// Returns the order's place among the three: a later one includes those before.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Drain => 0,
            Self::Close(_) => 1,
            Self::Abort => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_keep_their_pace_and_vary_by_chance_and_end_in_time() {
        let times = |interval: u64, within: u64| {
            let (interval, within) = (Duration::from_millis(interval), Duration::from_secs(within));
            let mut pace = ClosePace::new(Timestamp::ORIGIN, interval, within, 1_000, 7);
            let mut times = alloc::vec::Vec::new();
            for _ in 0..1_000 {
                times.push(pace.next_at);
                pace.handle_closed();
            }
            times
        };
        let last = |times: &[Timestamp]| times[999].since(times[0]).as_secs_f32();
        let slow = times(10, 60);
        assert!((9.5..10.5).contains(&last(&slow)), "{}", last(&slow));
        for pair in slow.windows(2) {
            let between = pair[1].since(pair[0]);
            assert!(between >= Duration::from_millis(5) && between <= Duration::from_millis(15));
        }
        assert!(last(&times(10, 4)) < 4.3);
        assert_eq!(times(0, 4)[999], Timestamp::ORIGIN);
    }
}
