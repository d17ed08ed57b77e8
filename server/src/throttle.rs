//! Rate limit for log lines that clients can cause: a burst, then a rate, and a count of the rest.
//!
//! A flood of bad requests must not fill the disk.

use stentor_core::Timestamp;

/// Token bucket for log lines, which counts the lines that it suppresses.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    burst: u32,
    per_second: u32,
    left: u32,
    since: Option<Timestamp>,
    held_back: u64,
}

impl Throttle {
    /// Returns a limit of `burst` lines at once and `per_second` lines per second after that.
    #[must_use]
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self {
            burst,
            per_second,
            left: burst,
            since: None,
            held_back: 0,
        }
    }

    /// Decides on a line. Returns `None` if it must be suppressed, otherwise the number of lines
    /// suppressed since the last one that was written.
    pub fn admit(&mut self, now: Timestamp) -> Option<u64> {
        let begun = self.since.get_or_insert(now);
        let seconds = now.since(*begun).as_secs();
        if seconds > 0 {
            *begun = now;
            let gained = u64::from(self.per_second).saturating_mul(seconds);
            let left = gained.saturating_add(self.left.into());
            self.left = left.min(self.burst.into()) as u32;
        }
        if self.left == 0 {
            self.held_back += 1;
            return None;
        }
        self.left -= 1;
        Some(core::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_and_the_rest_is_counted() {
        let begin = Timestamp::ORIGIN;
        let mut throttle = Throttle::new(3, 1);
        let admitted: Vec<_> = (0..5).map(|_| throttle.admit(begin)).collect();
        assert_eq!(admitted, [Some(0), Some(0), Some(0), None, None]);
        let later = |millis| begin.after(Duration::from_millis(millis));
        assert_eq!(throttle.admit(later(900)), None);
        assert_eq!(throttle.admit(later(1_000)), Some(3));
        assert_eq!(throttle.admit(later(1_000)), None);
        let admitted: Vec<_> = (0..4).map(|_| throttle.admit(later(60_000))).collect();
        assert_eq!(admitted, [Some(1), Some(0), Some(0), None]);
    }
}
