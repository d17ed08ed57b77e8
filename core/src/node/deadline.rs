//! Timeout of the server's own that does not run while the process is stopped.

use core::time::Duration;

use crate::time::Timestamp;

/// The end of a wait. If the first check after it is noticeably late, the process was stopped, and
/// so was what it waits for: then the wait begins again, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    wait: Duration,
    at: Timestamp,
    extended: bool,
}

impl Deadline {
    /// Returns the deadline `wait` after `now`.
    #[must_use]
    pub const fn new(now: Timestamp, wait: Duration) -> Self {
        Self {
            wait,
            at: now.after(wait),
            extended: false,
        }
    }

    /// Returns when to check again.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Returns whether the wait is over. The caller checks what it waits for first: after a stop
    /// this extends the wait and returns `false`.
    pub fn is_over(&mut self, now: Timestamp) -> bool {
        if now < self.at {
            return false;
        }
        if now.since(self.at) > TOLERANCE && !self.extended {
            self.at = now.after(self.wait);
            self.extended = true;
            return false;
        }
        true
    }
}

/// Delay of a check that is normal on a busy machine.
const TOLERANCE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_begins_again_after_a_stop_and_only_once() {
        let after = |millis| Timestamp::ORIGIN.after(Duration::from_millis(millis));
        let mut deadline = Deadline::new(after(0), Duration::from_secs(3));
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
        let now = Timestamp::from_micros(7);
        let mut deadline = Deadline::new(now, Duration::MAX);
        assert!(!deadline.is_over(now.after(Duration::from_secs(1 << 29))));
    }
}
