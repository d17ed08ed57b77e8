//! Owns what is counted of each priority: how its messages were lost, and how
//! long the others took from their publication to the socket. There is room for
//! the priorities that an application uses; what it uses beyond is one more row.

use core::fmt;

/// How long messages took from their publication to the last byte at the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    counts: [u64; BOUNDS.len() + 1],
    micros: u64,
}

/// What became of the messages of one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriorityStats {
    /// Refused because the queue was full of nothing that could go.
    pub refused: u64,
    /// Pushed out of a full queue by another.
    pub evicted: u64,
    /// Dropped because their time to live had passed.
    pub expired: u64,
    /// Replaced by a newer one with the same key.
    pub conflated: u64,
    /// Dropped because the shard had not enough memory.
    pub shed: u64,
    /// Thrown away because the connection ended first.
    pub discarded: u64,
    /// Written; how long they took.
    pub written: Latencies,
}

/// [`PriorityStats`] by priority.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Priorities {
    /// The row of each priority: zero until it has one.
    rows: [u8; 256],
    used: u8,
    /// The first is what found no row of its own.
    fates: [PriorityStats; ROWS],
    names: [u8; ROWS],
}

/// The priorities that are told apart, and one row for the others.
const ROWS: usize = 16;
/// Upper bounds of the steps in which latencies are counted, in microseconds:
/// each is four times the one before.
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

    /// Counts so many that took so long.
    #[inline]
    pub fn record(&mut self, micros: u64, times: u64) {
        // How often it is to be quartered until it is below the first bound.
        let bits = u64::BITS - (micros / FIRST_BOUND).leading_zeros();
        let step = bits.div_ceil(2) as usize;
        self.counts[step.min(BOUNDS.len())] += times;
        self.micros = self.micros.wrapping_add(micros.wrapping_mul(times));
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in microseconds.
    pub const fn micros(&self) -> u64 {
        self.micros
    }

    /// Upper bounds in microseconds, and how many were below each.
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
    /// The priorities in use and what became of their messages; `None` for those
    /// that have no row of their own, if there are any.
    pub fn iter(&self) -> impl Iterator<Item = (Option<u8>, &PriorityStats)> {
        let rows = self.fates.iter().zip(self.names).enumerate();
        rows.take(1 + usize::from(self.used))
            .map(|(at, (fates, name))| ((at > 0).then_some(name), fates))
            .filter(|(name, fates)| name.is_some() || **fates != PriorityStats::NONE)
    }

    /// What is counted of a priority; `None` stands for no priority in particular.
    #[inline]
    pub fn of(&mut self, priority: Option<u8>) -> &mut PriorityStats {
        let Some(priority) = priority else {
            return &mut self.fates[0];
        };
        let mut row = self.rows[usize::from(priority)];
        if row == 0 && usize::from(self.used) + 1 < ROWS {
            self.used += 1;
            row = self.used;
            self.rows[usize::from(priority)] = row;
            self.names[usize::from(row)] = priority;
        }
        &mut self.fates[usize::from(row)]
    }

    /// So many messages of this priority are out, so long after they were published.
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
            fates: [PriorityStats::NONE; ROWS],
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
    fn a_latency_counts_below_every_bound_above_it() {
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
    fn what_finds_no_row_shares_one() {
        let mut all = Priorities::default();
        assert_eq!(all.iter().count(), 0);
        for priority in 0..=255 {
            all.of(Some(priority)).refused += 1;
        }
        let mut twice = all;
        twice += &all;
        let rows: Vec<_> = twice.iter().map(|(p, fates)| (p, fates.refused)).collect();
        assert_eq!(rows.len(), ROWS);
        assert_eq!(rows[0], (None, 2 * (257 - ROWS as u64)));
        assert_eq!(rows[15], (Some(14), 2));
    }
}
