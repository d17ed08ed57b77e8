//! Metric families in the text format of Prometheus.
//!
//! Each page has a registry of its own, since the counters are kept elsewhere. Names of metrics are
//! the callers'.

use std::borrow::Cow;
use std::collections::HashMap;
#[cfg(target_os = "linux")]
use std::sync::LazyLock;

use prometheus::core::{Collector, Desc};
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use stentor_core::app;

/// A page under construction. All names, labels and help texts but those of the application are constants
/// of this crate, and tests render all of them, so none is refused at run time.
#[derive(Debug, Default)]
pub(super) struct Exposition(Registry);

impl Exposition {
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

    /// Adds gauges that can be fractions.
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

    /// Adds counters with two labels.
    pub(super) fn counters_by<'a>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; 2],
        values: impl IntoIterator<Item = ([&'a str; 2], u64)>,
    ) {
        let family = IntCounterVec::new(Opts::new(name, help), &labels).expect(VALID);
        for (of, value) in values {
            family.with_label_values(&of).inc_by(value);
        }
        self.register(family);
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, counted: Counted) {
        let desc = Desc::new(name.into(), help.into(), Vec::new(), HashMap::new());
        self.register(Histograms {
            desc: desc.expect(VALID),
            all: vec![(None, counted)],
        });
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (String, Counted)>,
    ) {
        let labels = vec![label.into()];
        let desc = Desc::new(name.into(), help.into(), labels, HashMap::new());
        let pair = |value| {
            let mut pair = LabelPair::default();
            pair.set_name(label.into());
            pair.set_value(value);
            pair
        };
        let values = values.into_iter();
        self.register(Histograms {
            desc: desc.expect(VALID),
            all: values
                .map(|(of, counted)| (Some(pair(of)), counted))
                .collect(),
        });
    }

    /// Adds a metric of the application. One with a name that there is already, or that is none, is
    /// left out.
    pub(super) fn application<'a>(
        &mut self,
        family: app::MetricFamily,
        values: impl IntoIterator<Item = (&'a [Cow<'static, str>], u64)>,
    ) {
        let opts = Opts::new(family.name, family.help);
        // Of a family without labels, there is one value.
        let collector: Option<Box<dyn Collector>> = match family.kind {
            app::MetricKind::Counter => IntCounterVec::new(opts, family.labels).ok().map(|all| {
                for (labels, value) in values {
                    if let Ok(one) = all.get_metric_with_label_values(labels) {
                        one.inc_by(value);
                    }
                }
                Box::new(all) as _
            }),
            app::MetricKind::Gauge => IntGaugeVec::new(opts, family.labels).ok().map(|all| {
                for (labels, value) in values {
                    if let Ok(one) = all.get_metric_with_label_values(labels) {
                        one.add(signed(value));
                    }
                }
                Box::new(all) as _
            }),
        };
        if let Some(collector) = collector {
            // The names are not ours.
            let _ = self.0.register(collector);
        }
    }

    /// Returns the page, on Linux with the metrics of the process.
    pub(super) fn text(self) -> String {
        #[cfg(target_os = "linux")]
        self.register(ProcessMetrics);
        TextEncoder::new()
            .encode_to_string(&self.0.gather())
            .expect(VALID)
    }

    fn register(&self, collector: impl Collector + 'static) {
        self.0.register(Box::new(collector)).expect(VALID);
    }
}

/// A histogram that was counted elsewhere. `prometheus::Histogram` would have to observe every value.
pub(super) struct Counted {
    /// Upper bounds, with the number of values up to each.
    pub(super) cumulative: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) sum: f64,
}

/// The metrics of the process. Its constants are read once.
#[cfg(target_os = "linux")]
struct ProcessMetrics;

#[cfg(target_os = "linux")]
static PROCESS: LazyLock<ProcessCollector> = LazyLock::new(ProcessCollector::for_self);

#[cfg(target_os = "linux")]
impl Collector for ProcessMetrics {
    fn desc(&self) -> Vec<&Desc> {
        PROCESS.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        PROCESS.collect()
    }
}

struct Histograms {
    desc: Desc,
    all: Vec<(Option<LabelPair>, Counted)>,
}

impl Collector for Histograms {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let bucket = |&(bound, count): &(f64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let metric = |(label, counted): &(Option<LabelPair>, Counted)| {
            let mut histogram = Histogram::default();
            histogram.set_bucket(counted.cumulative.iter().map(bucket).collect());
            histogram.set_sample_count(counted.count);
            histogram.set_sample_sum(counted.sum);
            let mut metric = Metric::default();
            metric.set_label(label.iter().cloned().collect());
            metric.set_histogram(histogram);
            metric
        };
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(self.all.iter().map(metric).collect());
        vec![family]
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const VALID: &str = "names are valid and used once";
