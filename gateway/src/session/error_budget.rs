//! How many errors a client may cause in a minute.

use core::time::Duration;

use stentor_core::Timestamp;

const WINDOW: Duration = Duration::from_secs(60);

/// The errors of a connection in the current minute, which begins with the first of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ErrorBudget {
    since: Option<Timestamp>,
    errors: u32,
}

impl ErrorBudget {
    /// Counts an error. Returns whether that is one more than `max`; 0 is no limit.
    pub(super) fn spend(&mut self, now: Timestamp, max: u32) -> bool {
        if self.since.is_none_or(|since| now.since(since) >= WINDOW) {
            self.since = Some(now);
            self.errors = 0;
        }
        self.errors = self.errors.saturating_add(1);
        max != 0 && self.errors > max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_count_for_a_minute() {
        let mut budget = ErrorBudget::default();
        let at = |secs| Timestamp::ORIGIN.after(Duration::from_secs(secs));
        assert!(!budget.spend(at(5), 2));
        assert!(!budget.spend(at(64), 2));
        assert!(budget.spend(at(64), 2));
        assert!(!budget.spend(at(65), 2));
        assert!(!budget.spend(at(66), 2));
        assert!(budget.spend(at(67), 2));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut budget = ErrorBudget::default();
        assert!((0..1_000).all(|_| !budget.spend(Timestamp::ORIGIN, 0)));
    }
}
