//! Metrics page as a client sees it: fetched, parsed, compared.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use crate::raw::{RawSocket, get};

/// One page: the values by name, labels included as they are written.
#[derive(Clone)]
pub(crate) struct Metrics(HashMap<String, f64>);

impl Metrics {
    pub(crate) fn scrape(address: SocketAddr) -> Self {
        let mut raw = RawSocket::connect(address);
        raw.send(&get("/metrics"));
        let response = raw.response();
        assert_eq!(response.status, 200, "{response:?}");
        let metrics = Self::parse(&response.body);
        metrics.assert_conservation();
        metrics
    }

    /// Every message that was offered has become something.
    fn assert_conservation(&self) {
        let dropped = |why: &str| {
            self.get(&format!(
                "stentor_messages_dropped_total{{reason=\"{why}\"}}"
            ))
        };
        let queued = self.get("stentor_messages_queued_total");
        let refused = dropped("refused_full") + dropped("refused_closing");
        assert_eq!(
            self.get("stentor_messages_offered_total"),
            queued + refused,
            "{self}"
        );
        let written = self.get("ws_messages_sent_total");
        let waiting = self.get("ws_send_queue_length");
        let lost = ["evicted", "expired", "conflated", "shed", "discarded"]
            .map(dropped)
            .iter()
            .sum::<u64>();
        assert_eq!(queued, written + waiting + lost, "{self}");
    }

    /// Reads a page in the text format of Prometheus; panics if it is not one.
    pub(crate) fn parse(page: &str) -> Self {
        let mut values = HashMap::new();
        let samples = page
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in samples {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let value = value.parse().expect("a number");
            let before = values.insert(name.to_owned(), value);
            assert!(before.is_none(), "{name} stands twice");
        }
        Self(values)
    }

    /// The value of a metric, such as `rooms` or `closed{cause="peer"}`. What the
    /// page does not have is an error.
    pub(crate) fn get(&self, name: &str) -> u64 {
        let value = self.0.get(name).copied();
        value.unwrap_or_else(|| panic!("no {name} in\n{self}")) as u64
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// How much the metric has grown since.
    pub(crate) fn since(&self, before: &Self, name: &str) -> u64 {
        self.get(name) - before.get(name)
    }

    /// Every label and value of a family.
    pub(crate) fn family(&self, family: &str) -> impl Iterator<Item = (&str, u64)> {
        let samples = self.0.iter().filter_map(move |(name, &value)| {
            let label = name.strip_prefix(family)?.strip_prefix('{')?;
            Some((label.split('"').nth(1)?, value as u64))
        });
        samples.collect::<Vec<_>>().into_iter()
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<_> = self.0.iter().filter(|(_, v)| **v != 0.0).collect();
        lines.sort_by_key(|(name, _)| name.as_str());
        lines
            .iter()
            .try_for_each(|(name, value)| writeln!(f, "{name} {value}"))
    }
}
