//! Metrics of an application.

use alloc::borrow::Cow;
use alloc::vec::Vec;

/// A value of a metric of an application, as [`Handler::metrics`](crate::Handler::metrics) returns it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metric {
    /// What the values mean together: the same for all of one metric.
    pub family: MetricFamily,
    /// Values of the labels of the family, in their order.
    pub labels: Vec<Cow<'static, str>>,
    /// The value on this shard. Servers add up those of all shards.
    pub value: u64,
}

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetricFamily {
    /// Its name, as Prometheus has names: ends in `_total` for a counter.
    pub name: &'static str,
    /// A sentence about it.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: MetricKind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// Whether a metric can fall.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// It only grows while the server runs.
    Counter,
    /// It rises and falls.
    Gauge,
}

impl MetricFamily {
    /// Returns a value of the metric.
    pub fn value(
        self,
        labels: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        value: u64,
    ) -> Metric {
        Metric {
            family: self,
            labels: labels.into_iter().map(Into::into).collect(),
            value,
        }
    }
}
