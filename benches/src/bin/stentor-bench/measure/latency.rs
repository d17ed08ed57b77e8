//! Latency histogram, and the quantiles that are reported.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The latencies of a time window, with a precision of 1 %.
#[derive(Debug)]
pub(crate) struct LatencyHistogram(Histogram<u64>);

/// Quantiles in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        let most = LONGEST.as_nanos() as u64;
        Self(Histogram::new_with_bounds(1, most, 2).expect("the bounds are in order"))
    }
}

impl LatencyHistogram {
    #[inline]
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(latency.as_nanos() as u64);
    }

    /// Returns the quantiles, or `None` if there are no latencies.
    pub(crate) fn summary(&self) -> Option<Latency> {
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile| micros(self.0.value_at_quantile(quantile));
        (!self.0.is_empty()).then(|| Latency {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(self.0.max()),
        })
    }
}

/// Longer latencies are recorded as this one.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_recorded_latencies() {
        let mut latencies = LatencyHistogram::default();
        assert_eq!(latencies.summary(), None);
        for micros in 1..=1_000 {
            latencies.record(Duration::from_micros(micros));
        }
        latencies.record(Duration::from_secs(3_600));
        let summary = latencies.summary().expect("there were some");
        let near = |is: f64, wanted: f64| (is / wanted - 1.0).abs() < 0.011;
        assert!(near(summary.p50, 500.0), "{summary:?}");
        assert!(near(summary.p99, 990.0), "{summary:?}");
        assert!(near(summary.p999, 1_000.0), "{summary:?}");
        assert!(near(summary.max, 60e6), "{summary:?}");
    }
}
