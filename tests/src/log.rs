//! Log of the server under test: its lines as they come, and the fields of one.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};

use crate::process::SOON;

/// What the server has logged so far.
#[derive(Debug)]
pub struct Log(Arc<(Mutex<ReadLines>, Condvar)>);

#[derive(Default, Debug)]
struct ReadLines {
    lines: Vec<LogLine>,
    ended: bool,
}

impl Log {
    /// Reads a log in a thread of its own.
    pub fn read(from: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(ReadLines::default()), Condvar::new()));
        let log = Self(shared.clone());
        std::thread::spawn(move || {
            let (lines, changed) = &*shared;
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.lock().expect("no panic").lines.push(LogLine(line));
                changed.notify_all();
            }
            lines.lock().expect("no panic").ended = true;
            changed.notify_all();
        });
        log
    }

    /// Returns the first line with this message, which must come soon.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_for(&self, message: &str) -> LogLine {
        let (lines, changed) = &*self.0;
        let guard = lines.lock().expect("no panic");
        let find = |lines: &[LogLine]| lines.iter().find(|line| line.says(message)).cloned();
        let waiting = |lines: &mut ReadLines| find(&lines.lines).is_none() && !lines.ended;
        let (guard, _) = changed
            .wait_timeout_while(guard, SOON, waiting)
            .expect("no panic");
        let line = find(&guard.lines);
        drop(guard);
        line.unwrap_or_else(|| panic!("no line `{message}` in\n{self}"))
    }

    /// Returns every line with this message so far.
    pub fn all(&self, message: &str) -> impl Iterator<Item = LogLine> {
        let lines = self.lines().into_iter();
        lines.filter(move |line| line.says(message))
    }

    /// Returns how many lines have this message so far.
    pub fn count(&self, message: &str) -> usize {
        self.all(message).count()
    }

    /// Returns every line so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.0.lock().expect("no panic").lines.clone()
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.lines().into_iter();
        lines.try_for_each(|LogLine(line)| writeln!(f, "{line}"))
    }
}

/// One line, a JSON object without objects inside.
#[derive(Clone, Debug)]
pub struct LogLine(String);

impl LogLine {
    /// Whether this is its message.
    pub fn says(&self, message: &str) -> bool {
        self.0.contains(&format!("\"message\":\"{message}\""))
    }

    /// The value of a text field, which has no escapes.
    pub fn text(&self, key: &str) -> &str {
        let rest = self.value(key).strip_prefix('"').expect("a text");
        rest.split('"').next().expect("a text")
    }

    /// Returns the value of a numeric field.
    pub fn number(&self, key: &str) -> u64 {
        let rest = self.value(key);
        let end = rest.find([',', '}']).expect("an end");
        rest[..end].parse().expect("a number")
    }

    /// Returns, of a server that has ended, the messages it had accepted, by what became of each.
    pub fn ended(&self) -> u64 {
        let lost = ["evicted", "expired", "conflated", "shed", "discarded"];
        let ends = lost.iter().chain(&["written"]);
        ends.map(|end| self.number(end)).sum()
    }

    /// What follows a key, up to the end of the line.
    pub fn value(&self, key: &str) -> &str {
        let key = format!("\"{key}\":");
        let at = self.0.find(&key);
        let at = at.unwrap_or_else(|| panic!("no {key} in {}", self.0));
        &self.0[at + key.len()..]
    }
}
