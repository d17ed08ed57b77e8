//! Metrics of the application.

use stentor_core::app::Metric;

use super::exposition::Exposition;

pub(super) fn application(page: &mut Exposition, metrics: &[Metric]) {
    let mut families: Vec<_> = metrics.iter().map(|metric| metric.family).collect();
    families.sort_unstable_by_key(|family| family.name);
    families.dedup();
    for family in families {
        let values = metrics.iter().filter(|metric| metric.family == family);
        page.application(family, values.map(|metric| (&*metric.labels, metric.value)));
    }
}

#[cfg(test)]
mod tests {
    use stentor_core::app::{MetricFamily, MetricKind};

    use super::*;

    const SEEN: MetricFamily = MetricFamily {
        name: "app_seen_total",
        help: "What was seen.",
        kind: MetricKind::Counter,
        labels: &["what"],
    };

    #[test]
    fn values_of_shards_are_added_up_and_bad_names_left_out() {
        let none: [&str; 0] = [];
        let open = MetricFamily {
            name: "app_open",
            kind: MetricKind::Gauge,
            labels: &[],
            ..SEEN
        };
        let bad = MetricFamily {
            name: "no name",
            ..SEEN
        };
        let taken = MetricFamily {
            name: "stentor_taken_total",
            ..SEEN
        };
        let metrics = [
            SEEN.value(["a"], 1),
            open.value(none, 3),
            SEEN.value(["b"], 10),
            SEEN.value(["a"], 4),
            open.value(none, 2),
            SEEN.value(["one", "too many"], 7),
            bad.value(["a"], 1),
            taken.value(["a"], 1),
        ];
        let mut page = Exposition::default();
        page.counter("stentor_taken_total", "Ours.", 9);
        application(&mut page, &metrics);
        let text = page.text();
        for line in [
            "# TYPE app_seen_total counter",
            "app_seen_total{what=\"a\"} 5",
            "app_seen_total{what=\"b\"} 10",
            "# TYPE app_open gauge",
            "app_open 5",
            "stentor_taken_total 9",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        assert!(!text.contains("no name") && !text.contains("too many"));
        assert!(!text.contains("stentor_taken_total{"));
    }
}
