//! Progress line on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The progress line.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
    /// Whether standard error is a terminal, on which the line can be overwritten.
    in_place: bool,
    width: usize,
    next: Instant,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            shown: !quiet,
            in_place: std::io::stderr().is_terminal(),
            width: 0,
            next: Instant::now(),
        }
    }

    /// Shows a text, if the last one was not shown a moment ago.
    pub(crate) fn update(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.shown && now >= self.next {
            self.next = now + if self.in_place { OFTEN } else { SELDOM };
            self.write(&text());
        }
    }

    /// Shows a text that is not overwritten.
    pub(crate) fn print(&mut self, text: &str) {
        if self.shown {
            self.write(text);
            self.end();
        }
    }

    /// Ends the line.
    pub(crate) fn end(&mut self) {
        if self.shown && self.in_place && self.width > 0 {
            eprintln!();
        }
        self.width = 0;
        self.next = Instant::now();
    }

    fn write(&mut self, text: &str) {
        let mut to = std::io::stderr().lock();
        // An error of standard error cannot be reported anywhere.
        let _ = if self.in_place {
            let width = self.width;
            self.width = text.chars().count();
            write!(to, "\r{text:<width$}").and_then(|()| to.flush())
        } else {
            writeln!(to, "{text}")
        };
    }
}

const OFTEN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(5);
