//! Rate at which a peer takes what is written to it, and the limit on bytes that the kernel holds
//! unsent for it. Does not set the limit on the socket, which the adapter does.
//!
//! What the kernel holds, nothing can overtake. A fixed limit is either so small that a peer
//! that keeps up costs a system call for every few KiB, or so large that an urgent message
//! waits behind a megabyte at a slow one. So the limit is what the peer takes in a fixed time.

use core::time::Duration;

use crate::config::Config;
use crate::delivery::Outbound;
use crate::time::{Timestamp, micros};

/// Bytes that one peer has taken since a certain time, and the limit that followed last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SendRate {
    /// When its socket was first full; after a change of the limit, when it was then.
    since: Option<Timestamp>,
    /// Bytes taken since then.
    bytes: u32,
    /// How often the smallest limit is doubled.
    doublings: u8,
}

/// The smallest and the largest limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnsentLimits {
    min: u32,
    most_doublings: u8,
}

impl UnsentLimits {
    pub(super) fn of(config: &Config) -> Self {
        // Both are at most 1 GiB.
        let (min, max) = (config.unsent_bytes as u32, config.unsent_bytes_max as u32);
        Self {
            min,
            most_doublings: (max / min).checked_ilog2().unwrap_or(0) as u8,
        }
    }

    /// In bytes.
    const fn doubled(self, times: u8) -> u32 {
        self.min << times
    }

    /// Returns the largest limit that does not exceed what a peer takes in [`HORIZON`].
    fn at_rate(self, bytes: u32, elapsed: Duration) -> u8 {
        let in_horizon = u64::from(bytes) * micros(HORIZON) / micros(elapsed).max(1);
        let times = (in_horizon / u64::from(self.min)).checked_ilog2();
        times.map_or(0, |times| (times as u8).min(self.most_doublings))
    }
}

impl SendRate {
    /// Returns whether its socket was full and what it takes is counted.
    pub(super) const fn is_measured(&self) -> bool {
        self.since.is_some()
    }

    /// Takes note that a socket took `n` bytes, and whether it is full. Returns the limit on
    /// what the kernel may hold unsent, in bytes, if it changes.
    ///
    /// `is_mixed` tells whether messages of different priorities wait: then one may have to
    /// overtake another, and the limit is the smallest for [`MIXED_HOLD`].
    fn taken(
        &mut self,
        now: Timestamp,
        n: usize,
        is_full: bool,
        limits: UnsentLimits,
        is_mixed: impl FnOnce() -> bool,
    ) -> Option<u32> {
        let Some(since) = self.since else {
            // What was taken until now says nothing: buffers were empty.
            self.since = is_full.then_some(now);
            return None;
        };
        if now <= since {
            return None;
        }
        self.bytes = self
            .bytes
            .saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        let elapsed = now.since(since);
        let doublings = if is_full && is_mixed() {
            self.since = Some(now.after(MIXED_HOLD));
            self.bytes = 0;
            0
        } else if is_full && elapsed >= WINDOW {
            let doublings = limits.at_rate(self.bytes, elapsed);
            self.since = Some(now);
            self.bytes = 0;
            doublings
        } else if elapsed >= STALE && self.doublings > 0 {
            // It was fast when there was something to take. It may be slow the next time.
            *self = Self::default();
            return Some(limits.doubled(0));
        } else {
            return None;
        };
        let is_new = doublings != core::mem::replace(&mut self.doublings, doublings);
        is_new.then(|| limits.doubled(doublings))
    }
}

impl Outbound {
    /// Takes note of what a socket took that is full or was. Returns the
    /// limit on what the kernel may hold unsent, in bytes, if it changes.
    #[inline(never)]
    pub(super) fn measure_pace(&mut self, at: u32, n: usize, is_full: bool) -> Option<u32> {
        let (now, limits) = (self.now, self.settings.unsent);
        let conn = &mut self.conns[at];
        let link = conn.link.as_mut()?;
        let (queue, nodes, store) = (&conn.queue, &self.nodes, &self.store);
        let is_mixed = || queue.has_several_priorities(nodes, store);
        let bytes = link.rate.taken(now, n, is_full, limits, is_mixed)?;
        let counter = if bytes > limits.min {
            &mut self.counts.sent.unsent_limit_raised
        } else {
            &mut self.counts.sent.unsent_limit_reset
        };
        *counter += 1;
        Some(bytes)
    }
}

/// The kernel may hold as much unsent as a peer takes in this time: what is urgent waits no
/// longer for it. A peer that takes 1 MB/s is held to the smallest limit.
const HORIZON: Duration = Duration::from_millis(25);
/// The least time over which a rate is measured. A peer that empties its buffers now and then
/// is fast for a moment each time.
const WINDOW: Duration = Duration::from_millis(5);
/// The time for which messages of different priorities keep the limit small.
const MIXED_HOLD: Duration = Duration::from_secs(1);
/// The time after which a rate says nothing any more.
const STALE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const KIB: usize = 1 << 10;
    const LIMITS: UnsentLimits = UnsentLimits {
        min: 32 << 10,
        most_doublings: 5,
    };

    /// Lets a peer take `n` bytes every `every` for a second, its socket always full; returns
    /// the limits that follow, with the milliseconds at which they do.
    fn limits_of(rate: &mut SendRate, begin: u64, n: usize, every: Duration) -> Vec<(u64, u32)> {
        let mut limits = Vec::new();
        let mut micros = 0;
        while micros < 1_000_000 {
            let now = Timestamp::from_micros(begin + micros);
            let limit = rate.taken(now, n, true, LIMITS, || false);
            limits.extend(limit.map(|limit| (micros / 1_000, limit)));
            micros += super::micros(every);
        }
        limits
    }

    #[test]
    fn a_peer_that_keeps_up_has_a_limit_for_its_rate() {
        // 40 MB/s: 1,024,000 bytes in 25 ms.
        let mut rate = SendRate::default();
        let limits = limits_of(&mut rate, 0, 64 * KIB, Duration::from_micros(1_600));
        assert_eq!(limits, [(6, 512 << 10)]);
        // 6 MB/s: 153 KB in 25 ms.
        let mut rate = SendRate::default();
        let limits = limits_of(&mut rate, 0, 24 * KIB, Duration::from_millis(4));
        assert_eq!(limits.last().expect("some").1, 128 << 10);
        // As fast as can be.
        let mut rate = SendRate::default();
        let limits = limits_of(&mut rate, 0, 1 << 20, Duration::from_micros(100));
        assert_eq!(limits, [(5, 1 << 20)]);
    }

    #[test]
    fn a_slow_peer_keeps_the_smallest_however_it_reads() {
        // A megabyte a second, in steps of 1 ms to 1 s.
        for millis in [1, 4, 10, 64, 250, 1_000] {
            let mut rate = SendRate::default();
            let (n, every) = (1_000 * millis, Duration::from_millis(millis as u64));
            let limits = limits_of(&mut rate, 0, n, every);
            assert_eq!(limits, [], "in steps of {millis} ms");
        }
        // A megabyte at once, in many pieces, every second.
        let mut rate = SendRate::default();
        for second in 0..3 {
            for piece in 0..64 {
                let now = Timestamp::from_micros(second * 1_000_000 + piece * 20);
                assert_eq!(rate.taken(now, 16 * KIB, true, LIMITS, || false), None);
            }
        }
    }

    #[test]
    fn a_peer_that_becomes_slow_has_the_smallest_again() {
        let mut rate = SendRate::default();
        limits_of(&mut rate, 0, 64 * KIB, Duration::from_micros(1_600));
        let limits = limits_of(&mut rate, 1_000_000, 10 * KIB, Duration::from_millis(10));
        assert_eq!(limits.last().expect("some").1, LIMITS.min);
    }

    #[test]
    fn a_rate_of_long_ago_counts_for_nothing() {
        let mut rate = SendRate::default();
        limits_of(&mut rate, 0, 64 * KIB, Duration::from_micros(1_600));
        let soon = Timestamp::from_micros(1_900_000);
        assert_eq!(rate.taken(soon, KIB, false, LIMITS, || false), None);
        let late = Timestamp::from_micros(2_100_000);
        let limit = rate.taken(late, KIB, false, LIMITS, || false);
        assert_eq!(limit, Some(LIMITS.min));
        assert!(rate.since.is_none());
    }

    #[test]
    fn messages_of_different_priorities_keep_the_limit_small_for_a_while() {
        let mut rate = SendRate::default();
        limits_of(&mut rate, 0, 64 * KIB, Duration::from_micros(1_600));
        let now = Timestamp::from_micros(1_000_000);
        let limit = rate.taken(now, KIB, true, LIMITS, || true);
        assert_eq!(limit, Some(LIMITS.min));
        let limits = limits_of(&mut rate, 1_000_000, 64 * KIB, Duration::from_micros(1_600));
        assert_eq!(limits, []);
        let limits = limits_of(&mut rate, 2_000_000, 64 * KIB, Duration::from_micros(1_600));
        assert_eq!(limits.len(), 1);
    }

    #[test]
    fn a_largest_limit_below_the_smallest_makes_it_fixed() {
        let config = |min, max| {
            let builder = Config::builder().unsent_bytes(min).unsent_bytes_max(max);
            UnsentLimits::of(&builder.build().expect("valid"))
        };
        assert_eq!(config(4 << 20, 1 << 20).most_doublings, 0);
        assert_eq!(config(32 << 10, 32 << 10).most_doublings, 0);
        assert_eq!(config(32 << 10, 1 << 20).most_doublings, 5);
        assert_eq!(config(4 << 10, 1 << 30).doubled(18), 1 << 30);
    }
}
