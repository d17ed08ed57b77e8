//! What occurred in a run, and what must in a set of them.

use core::fmt;
use std::collections::BTreeMap;

/// How often what occurred.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubscribersCoverage(BTreeMap<String, u64>);

impl SubscribersCoverage {
    /// Adds what occurred elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what.clone()).or_default() += times;
        }
    }

    /// Returns what did not occur of what is to.
    pub fn missing(&self) -> Vec<&'static str> {
        let wanted = WANTED.iter().copied();
        wanted.filter(|what| !self.0.contains_key(*what)).collect()
    }

    /// It occurred.
    pub(super) fn note(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }
}

impl fmt::Display for SubscribersCoverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            writeln!(f, "{times:>10}  {what}")?;
        }
        Ok(())
    }
}

/// What a set of runs is to have.
const WANTED: &[&str] = &[
    "recovered",
    "recovered: something",
    "not recovered",
    "not recovered: foreign epoch",
    "not recovered: too old",
    "recovered: latest",
    "new epoch",
    "history: forward",
    "history: reverse",
    "history: since",
    "history: expired",
    "presence: several",
    "join",
    "leave",
    "server-side subscription",
    "server-side subscription recovered",
    "refreshed",
    "subscription refreshed",
    "seed heard a client",
    "client heard a seed",
    "views compared",
    "error 102",
    "error 103",
    "error 105",
    "error 106",
    "error 107",
    "error 108",
    "error 109",
    "error 112",
    "unsubscribed 2500",
    "unsubscribed 2501",
    "closed 1009",
    "closed 3005",
    "closed 3008",
    "closed 3010",
    "closed 3012",
    "closed 3500",
    "closed 3501",
    "closed 3502",
    "closed 3508",
    "closed 3509",
];
