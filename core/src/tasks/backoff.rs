//! Wait between two attempts: exponential backoff with full jitter.

use core::time::Duration;

use crate::chance::Chance;
use crate::time::micros;

/// Doubles the maximum wait after each attempt and draws the wait uniformly below it, so that tasks
/// that failed together are not retried together.
#[derive(Debug)]
pub(super) struct Backoff {
    first: u64,
    max: u64,
    chance: Chance,
}

impl Backoff {
    pub(super) const fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self {
            first: micros(first),
            max: micros(max),
            chance: Chance::new(seed),
        }
    }

    /// Returns the wait after this number of attempts.
    pub(super) fn wait(&mut self, attempts: u16) -> Duration {
        let doublings = u32::from(attempts.saturating_sub(1)).min(63);
        let longest = self.first.saturating_mul(1 << doublings).min(self.max);
        Duration::from_micros(self.chance.below(longest.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_spread_over_a_range_that_doubles_up_to_the_maximum() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(1), seconds(10), 7);
        for (attempts, longest) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (u16::MAX, 10)] {
            let waits = [(); 200].map(|()| backoff.wait(attempts));
            let sum: Duration = waits.iter().sum();
            let mean = sum.as_secs_f64() / 200.0 / longest as f64;
            assert!((0.4..0.6).contains(&mean), "{attempts}: {mean}");
            let (least, most) = (waits.iter().min(), waits.iter().max());
            assert!(least < Some(&(seconds(longest) / 10)), "{attempts}");
            assert!(most <= Some(&seconds(longest)), "{attempts}");
            assert!(most > Some(&(seconds(longest) * 9 / 10)), "{attempts}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::MAX, seed);
            [1, 2, 3, 60, 70].map(|attempts| backoff.wait(attempts))
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
