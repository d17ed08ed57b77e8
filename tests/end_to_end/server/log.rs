//! Owns what this suite asks of the server's log, beside what all suites do.

use crate::process::log::{Line, Log};

impl Log {
    /// Every line with this message so far.
    pub(crate) fn all(&self, message: &str) -> impl Iterator<Item = Line> {
        let lines = self.lines().into_iter();
        lines.filter(move |line| line.says(message))
    }

    /// How many lines have this message so far.
    pub(crate) fn count(&self, message: &str) -> usize {
        self.all(message).count()
    }
}

impl Line {
    /// The value of a numeric field.
    pub(crate) fn number(&self, key: &str) -> u64 {
        let rest = self.value(key);
        let end = rest.find([',', '}']).expect("an end");
        rest[..end].parse().expect("a number")
    }

    /// Of a server that has ended: the messages it had accepted, by what became
    /// of each.
    pub(crate) fn ended(&self) -> u64 {
        let lost = ["evicted", "expired", "conflated", "shed", "discarded"];
        let ends = lost.iter().chain(&["written"]);
        ends.map(|end| self.number(end)).sum()
    }
}
