//! Owns how metrics are put together and written, through the `prometheus` crate: a fresh registry
//! a page, since the counters themselves live in the machines. Knows no name of a metric.

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};
use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::Turns;

/// One page of metrics in the making. Names, labels and help texts are written in this crate, and
/// the tests render every one of them, so that none is refused at run time.
#[derive(Debug, Default)]
pub(super) struct Page(Registry);

impl Page {
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        let counter = IntCounter::new(name, help).expect(VALID);
        counter.inc_by(value);
        self.register(counter);
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) {
        let gauge = IntGauge::new(name, help).expect(VALID);
        gauge.set(signed(value));
        self.register(gauge);
    }

    pub(super) fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let family = IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID);
        for (of, value) in values {
            family.with_label_values(&[of]).inc_by(value);
        }
        self.register(family);
    }

    pub(super) fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let family = IntGaugeVec::new(Opts::new(name, help), &[label]).expect(VALID);
        for (of, value) in values {
            family.with_label_values(&[of]).set(signed(value));
        }
        self.register(family);
    }

    /// Gauges that need not be whole.
    pub(super) fn limits(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (String, f64)>,
    ) {
        let family: GaugeVec = GaugeVec::new(Opts::new(name, help), &[label]).expect(VALID);
        for (of, value) in values {
            let gauge: Gauge = family.with_label_values(&[of]);
            gauge.set(value);
        }
        self.register(family);
    }

    pub(super) fn turns(&mut self, name: &str, help: &str, turns: &Turns) {
        let desc = Desc::new(name.into(), help.into(), Vec::new(), HashMap::new()).expect(VALID);
        self.register(Counted {
            desc,
            turns: *turns,
        });
    }

    /// The page, with the metrics of the process where there are any.
    pub(super) fn text(self) -> String {
        #[cfg(target_os = "linux")]
        self.register(prometheus::process_collector::ProcessCollector::for_self());
        TextEncoder::new()
            .encode_to_string(&self.0.gather())
            .expect(VALID)
    }

    fn register(&self, collector: impl Collector + 'static) {
        self.0.register(Box::new(collector)).expect(VALID);
    }
}

/// A histogram that was counted elsewhere; the crate's own wants to see every value.
struct Counted {
    desc: Desc,
    turns: Turns,
}

impl Collector for Counted {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(self.turns.cumulative().map(bucket).collect());
        histogram.set_sample_count(self.turns.count());
        histogram.set_sample_sum(self.turns.seconds());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        vec![family]
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const VALID: &str = "names are valid and used once";
