//! Histogram of the turn times of a Stentor server's shards, read from its metrics.

use serde::Serialize;

use super::metrics_page::MetricsPage;
use crate::error::Error;

/// A cumulative histogram.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TurnHistogram {
    /// Upper bounds in microseconds, each with the number of turns up to it; the last is infinite.
    buckets: Vec<(f64, u64)>,
}

impl TurnHistogram {
    /// Reads the histogram from the metrics page.
    pub(crate) fn of(page: &MetricsPage) -> Result<Self, Error> {
        Self::parse(page).ok_or_else(|| Error::Failed(format!("/metrics has no {METRIC}")))
    }

    fn parse(page: &MetricsPage) -> Option<Self> {
        let bucket = |line: &str| {
            let rest = line.strip_prefix(METRIC)?.strip_prefix("_bucket{le=\"")?;
            let (bound, count) = rest.split_once("\"}")?;
            let bound: f64 = bound.parse().ok()?; // `+Inf` too
            Some((bound * 1e6, count.trim().parse().ok()?))
        };
        let buckets: Vec<_> = page.lines().filter_map(bucket).collect();
        (!buckets.is_empty()).then_some(Self { buckets })
    }

    /// Returns the difference to an earlier histogram.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let less = |(&(bound, now), &(_, then)): (&(f64, u64), &(f64, u64))| {
            (bound, now.saturating_sub(then))
        };
        let pairs = self.buckets.iter().zip(&before.buckets);
        Self {
            buckets: pairs.map(less).collect(),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |&(_, count)| count)
    }

    /// Returns the upper bound, in microseconds, of this share of the turns.
    pub(crate) fn within(&self, share: f64) -> f64 {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let found = self.buckets.iter().find(|(_, count)| *count >= wanted);
        found.map_or(f64::INFINITY, |&(bound, _)| bound)
    }
}

const METRIC: &str = "stentor_shard_turn_seconds";

#[cfg(test)]
mod tests {
    use super::super::metrics_page::of;
    use super::*;

    const PAGE: &str = "\
# TYPE stentor_shard_turn_seconds histogram
stentor_shard_turn_seconds_bucket{le=\"0.00001\"} 90
stentor_shard_turn_seconds_bucket{le=\"0.0002\"} 99
stentor_shard_turn_seconds_bucket{le=\"+Inf\"} 100
stentor_shard_turn_seconds_sum 0.5
stentor_shard_turn_seconds_count 100
";

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let turns = TurnHistogram::parse(&of(PAGE)).expect("it is there");
        assert_eq!(turns.count(), 100);
        assert!((turns.within(0.9) - 10.0).abs() < 1e-9);
        assert!((turns.within(0.99) - 200.0).abs() < 1e-9);
        assert_eq!(turns.within(0.995), f64::INFINITY);
        assert_eq!(TurnHistogram::parse(&of("nothing\n")), None);
    }

    #[test]
    fn the_difference_has_only_later_turns() {
        let before = TurnHistogram::parse(&of(PAGE)).expect("it is there");
        let after = PAGE
            .replace("} 90", "} 190")
            .replace("} 99", "} 199")
            .replace("} 100", "} 200");
        let added = TurnHistogram::parse(&of(&after))
            .expect("it is there")
            .since(&before);
        assert_eq!(added.count(), 100);
        assert!((added.within(1.0) - 10.0).abs() < 1e-9);
    }
}
