//! Counters by priority: dropped messages by reason, and the latency of written ones.
//!
//! There are rows for the first 15 priorities in use; the others share one row.

use core::fmt;

/// A histogram of the time from publication to the last byte at the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    counts: [u64; BOUNDS.len() + 1],
    micros: u64,
}

/// The messages of one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriorityStats {
    /// Messages refused because the queue was full and nothing could be evicted.
    pub refused: u64,
    /// Messages evicted from a full queue for another one.
    pub evicted: u64,
    /// Messages dropped because their time to live had passed.
    pub expired: u64,
    /// Messages replaced by a newer one with the same key.
    pub conflated: u64,
    /// Messages dropped because the shard had not enough memory.
    pub shed: u64,
    /// Messages discarded because the connection ended first.
    pub discarded: u64,
    /// Latencies of the messages written.
    pub written: Latencies,
}

/// [`PriorityStats`] by priority.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Priorities {
    /// The row of each priority; zero if it has none.
    rows: [u8; 256],
    used: u8,
    /// The first row is for priorities without a row of their own.
    counts: [PriorityStats; ROWS],
    names: [u8; ROWS],
}

/// The number of rows.
const ROWS: usize = 16;
/// The upper bounds of the buckets in microseconds; each is four times the previous one.
const BOUNDS: [u64; 12] = {
    let (mut bounds, mut at) = ([FIRST_BOUND; 12], 1);
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 4;
        at += 1;
    }
    bounds
};
const FIRST_BOUND: u64 = 64;

impl Latencies {
    const NONE: Self = Self {
        counts: [0; BOUNDS.len() + 1],
        micros: 0,
    };

    /// Counts this number of messages with this latency.
    #[inline]
    pub fn record(&mut self, micros: u64, times: u64) {
        // The number of divisions by four until the latency is below the first bound.
        let bits = u64::BITS - (micros / FIRST_BOUND).leading_zeros();
        let step = bits.div_ceil(2) as usize;
        self.counts[step.min(BOUNDS.len())] += times;
        self.micros = self.micros.wrapping_add(micros.wrapping_mul(times));
    }

    /// Returns the number of messages.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of the latencies in microseconds.
    pub const fn micros(&self) -> u64 {
        self.micros
    }

    /// Returns the upper bounds in microseconds, each with the number of messages below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let below = self.counts.iter().scan(0_u64, |sum, count| {
            *sum = sum.wrapping_add(*count);
            Some(*sum)
        });
        BOUNDS.into_iter().zip(below)
    }
}

impl PriorityStats {
    const NONE: Self = Self {
        refused: 0,
        evicted: 0,
        expired: 0,
        conflated: 0,
        shed: 0,
        discarded: 0,
        written: Latencies::NONE,
    };
}

impl Priorities {
    /// Returns the priorities in use with their counters; `None` stands for the priorities without
    /// a row of their own.
    pub fn iter(&self) -> impl Iterator<Item = (Option<u8>, &PriorityStats)> {
        let rows = self.counts.iter().zip(self.names).enumerate();
        rows.take(1 + usize::from(self.used))
            .map(|(at, (counts, name))| ((at > 0).then_some(name), counts))
            .filter(|(name, counts)| name.is_some() || **counts != PriorityStats::NONE)
    }

    /// Returns the counters of a priority; `None` selects the shared row.
    #[inline]
    pub fn of(&mut self, priority: Option<u8>) -> &mut PriorityStats {
        let Some(priority) = priority else {
            return &mut self.counts[0];
        };
        let mut row = self.rows[usize::from(priority)];
        if row == 0 && usize::from(self.used) + 1 < ROWS {
            self.used += 1;
            row = self.used;
            self.rows[usize::from(priority)] = row;
            self.names[usize::from(row)] = priority;
        }
        &mut self.counts[usize::from(row)]
    }

    /// Counts messages of this priority that were written this long after their publication.
    #[inline]
    pub(crate) fn written(&mut self, priority: u8, micros: u64, times: u64) {
        self.of(Some(priority)).written.record(micros, times);
    }
}

impl Default for Priorities {
    fn default() -> Self {
        Self {
            rows: [0; 256],
            used: 0,
            counts: [PriorityStats::NONE; ROWS],
            names: [0; ROWS],
        }
    }
}

impl core::ops::AddAssign<&Self> for Priorities {
    fn add_assign(&mut self, other: &Self) {
        for (priority, more) in other.iter() {
            let sum = self.of(priority);
            sum.refused = sum.refused.wrapping_add(more.refused);
            sum.evicted = sum.evicted.wrapping_add(more.evicted);
            sum.expired = sum.expired.wrapping_add(more.expired);
            sum.conflated = sum.conflated.wrapping_add(more.conflated);
            sum.shed = sum.shed.wrapping_add(more.shed);
            sum.discarded = sum.discarded.wrapping_add(more.discarded);
            sum.written.micros = sum.written.micros.wrapping_add(more.written.micros);
            crate::stats::add(&mut sum.written.counts, &more.written.counts);
        }
    }
}

impl fmt::Debug for Priorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_latency_counts_below_every_higher_bound() {
        for micros in [0, 63, 64, 255, 256, 1_023, 1_024, 5_000_000, 1 << 40] {
            let mut latencies = Latencies::NONE;
            latencies.record(micros, 1);
            for (bound, below) in latencies.cumulative() {
                assert_eq!(below, u64::from(micros < bound), "{micros} and {bound}");
            }
            assert_eq!((latencies.count(), latencies.micros()), (1, micros));
        }
    }

    #[test]
    fn priorities_beyond_the_rows_share_one() {
        let mut all = Priorities::default();
        assert_eq!(all.iter().count(), 0);
        for priority in 0..=255 {
            all.of(Some(priority)).refused += 1;
        }
        let mut twice = all;
        twice += &all;
        let rows: Vec<_> = twice
            .iter()
            .map(|(p, counts)| (p, counts.refused))
            .collect();
        assert_eq!(rows.len(), ROWS);
        assert_eq!(rows[0], (None, 2 * (257 - ROWS as u64)));
        assert_eq!(rows[15], (Some(14), 2));
    }
}
