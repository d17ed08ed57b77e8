//! Owns the log of the server under test: its lines as they come, and the
//! fields of one.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};

use super::SOON;

/// What the server has logged so far.
pub(crate) struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    pub(crate) fn read(from: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Lines::default()), Condvar::new()));
        let log = Self(shared.clone());
        std::thread::spawn(move || {
            let (lines, changed) = &*shared;
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.lock().expect("no panic").lines.push(line);
                changed.notify_all();
            }
            lines.lock().expect("no panic").ended = true;
            changed.notify_all();
        });
        log
    }

    /// The first line with this message, which must come soon.
    pub(crate) fn wait_for(&self, message: &str) -> Line {
        let (lines, changed) = &*self.0;
        let guard = lines.lock().expect("no panic");
        let waiting = |lines: &mut Lines| find(&lines.lines, message).is_none() && !lines.ended;
        let (guard, _) = changed
            .wait_timeout_while(guard, SOON, waiting)
            .expect("no panic");
        let line = find(&guard.lines, message);
        drop(guard);
        line.unwrap_or_else(|| panic!("no line `{message}` in\n{self}"))
    }

    /// Every line with this message so far.
    pub(crate) fn all(&self, message: &str) -> impl Iterator<Item = Line> {
        let lines = &self.0.0.lock().expect("no panic").lines;
        let all: Vec<Line> = lines
            .iter()
            .filter(|line| has(line, message))
            .map(|line| Line(line.clone()))
            .collect();
        all.into_iter()
    }

    /// How many lines have this message so far.
    pub(crate) fn count(&self, message: &str) -> usize {
        self.all(message).count()
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = &self.0.0.lock().expect("no panic").lines;
        f.write_str(&lines.join("\n"))
    }
}

fn find(lines: &[String], message: &str) -> Option<Line> {
    let line = lines.iter().find(|line| has(line, message))?;
    Some(Line(line.clone()))
}

fn has(line: &str, message: &str) -> bool {
    line.contains(&format!("\"message\":\"{message}\""))
}

/// One line, a JSON object without objects inside.
#[derive(Debug)]
pub(crate) struct Line(String);

impl Line {
    /// The value of a text field, which has no escapes.
    pub(crate) fn text(&self, key: &str) -> &str {
        let rest = self.value(key).strip_prefix('"').expect("a text");
        rest.split('"').next().expect("a text")
    }

    /// The value of a numeric field.
    pub(crate) fn number(&self, key: &str) -> u64 {
        let rest = self.value(key);
        let end = rest.find([',', '}']).expect("an end");
        rest[..end].parse().expect("a number")
    }

    fn value(&self, key: &str) -> &str {
        let key = format!("\"{key}\":");
        let at = self.0.find(&key);
        let at = at.unwrap_or_else(|| panic!("no {key} in {}", self.0));
        &self.0[at + key.len()..]
    }
}
