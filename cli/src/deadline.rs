//! Owns a time-out of the server's own that is not used up while the process is stopped.

use std::time::{Duration, Instant};

/// The end of a wait. Where nobody looked when it had come, but noticeably later, the process was
/// stopped meanwhile, and so was what it waits for: then the wait begins anew, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    wait: Duration,
    at: Instant,
    extended: bool,
}

impl Deadline {
    /// So long from now on.
    #[must_use]
    pub fn new(now: Instant, wait: Duration) -> Self {
        Self {
            wait,
            at: later(now, wait),
            extended: false,
        }
    }

    /// When to look again.
    #[must_use]
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// Whether it has come. Then, or until [`at`](Self::at), is to be looked whether what is
    /// waited for has come, too.
    pub fn is_over(&mut self, now: Instant) -> bool {
        let Some(late) = now.checked_duration_since(self.at) else {
            return false;
        };
        if late > TOLERANCE && !self.extended {
            self.at = later(now, self.wait);
            self.extended = true;
            return false;
        }
        true
    }
}

/// The point `wait` later; far ahead where the clock does not reach so far.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or_else(|| now + FAR)
}

/// By how much a look may be late as long as all is well.
const TOLERANCE: Duration = Duration::from_millis(250);
/// Longer than any process lives.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_begins_anew_where_nobody_looked_and_only_once() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut deadline = Deadline::new(begin, Duration::from_secs(3));
        assert!(!deadline.is_over(after(2_999)));
        assert!(deadline.is_over(after(3_000)) && deadline.is_over(after(3_250)));
        // The process was stopped.
        assert!(!deadline.is_over(after(9_000)));
        assert_eq!(deadline.at(), after(12_000));
        assert!(!deadline.is_over(after(11_999)));
        assert!(deadline.is_over(after(12_000)) && deadline.is_over(after(99_000)));
    }

    #[test]
    fn no_wait_is_too_long() {
        let now = Instant::now();
        let mut deadline = Deadline::new(now, Duration::MAX);
        assert!(!deadline.is_over(now + Duration::from_secs(1 << 29)));
    }
}
