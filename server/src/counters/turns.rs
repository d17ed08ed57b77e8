//! Histogram of the durations of a shard's turns.
//!
//! The adapter passes the beginning and the end of each turn, which costs one clock reading.

use std::ops::AddAssign;

use stentor_core::Timestamp;

/// Number of turns by duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Turns above the previous bound of [`BOUNDS`] and up to this one; the last exceed all bounds.
    counts: [u64; BOUNDS.len() + 1],
    micros: u64,
}

impl Turns {
    /// Counts a turn.
    #[inline]
    pub fn record(&mut self, began: Timestamp, ended: Timestamp) {
        let micros = ended.as_micros().saturating_sub(began.as_micros());
        // From the front, since most turns are short.
        let within = BOUNDS.iter().position(|bound| micros <= *bound);
        self.counts[within.unwrap_or(BOUNDS.len())] += 1;
        self.micros = self.micros.wrapping_add(micros);
    }

    /// Returns the upper bounds in seconds with the number of turns up to each.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let within = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BOUNDS.iter().map(|bound| seconds(*bound)).zip(within)
    }

    /// Returns the number of turns.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the total duration in seconds.
    pub fn seconds(&self) -> f64 {
        seconds(self.micros)
    }
}

impl AddAssign<&Self> for Turns {
    fn add_assign(&mut self, other: &Self) {
        for (to, from) in self.counts.iter_mut().zip(other.counts) {
            *to += from;
        }
        self.micros = self.micros.wrapping_add(other.micros);
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// Upper bounds in microseconds.
const BOUNDS: [u64; 14] = [
    5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 200_000, 1_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(micros: &[u64]) -> Turns {
        let mut turns = Turns::default();
        for &micros in micros {
            let began = Timestamp::from_micros(7);
            turns.record(began, Timestamp::from_micros(7 + micros));
        }
        turns
    }

    #[test]
    fn a_turn_counts_in_every_bucket_that_contains_it() {
        let turns = turns(&[0, 5, 6, 200, 201, 2_000_000]);
        let within = |wanted: f64| turns.cumulative().find(|(bound, _)| *bound == wanted);
        assert_eq!(within(0.000_005), Some((0.000_005, 2)));
        assert_eq!(within(0.000_01), Some((0.000_01, 3)));
        assert_eq!(within(0.000_2), Some((0.000_2, 4)));
        assert_eq!(within(1.0), Some((1.0, 5)));
        assert_eq!(turns.count(), 6);
        assert!((turns.seconds() - 2.000_412).abs() < 1e-9);
    }

    #[test]
    fn histograms_of_shards_are_added() {
        let mut sum = turns(&[1, 300]);
        sum += &turns(&[20, 5_000_000]);
        assert_eq!(sum, turns(&[1, 300, 20, 5_000_000]));
    }

    #[test]
    fn a_turn_that_ends_before_it_begins_counts_as_zero() {
        let mut turns = Turns::default();
        turns.record(Timestamp::from_micros(9), Timestamp::from_micros(3));
        assert_eq!(turns.seconds(), 0.0);
    }
}
