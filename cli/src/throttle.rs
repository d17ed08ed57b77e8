//! Owns the bound on log lines that strangers can cause: a burst, then so many a second, and
//! a count of the rest.
//! Whoever floods a server with bad requests is not to fill its disk as well.

use std::time::Instant;

/// Lets a burst of lines through, then so many a second, and counts those it holds back.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    burst: u32,
    per_second: u32,
    left: u32,
    since: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    /// Lets this many lines through at once, and gains so many a second after that.
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

    /// Whether a line may be written: `Some` with how many were held back since the last that was.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let begun = self.since.get_or_insert(now);
        let seconds = now.saturating_duration_since(*begun).as_secs();
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
    fn a_burst_then_so_many_a_second_and_a_count_of_the_rest() {
        let begin = Instant::now();
        let mut throttle = Throttle::new(3, 1);
        let admitted: Vec<_> = (0..5).map(|_| throttle.admit(begin)).collect();
        assert_eq!(admitted, [Some(0), Some(0), Some(0), None, None]);
        let later = |millis| begin + Duration::from_millis(millis);
        assert_eq!(throttle.admit(later(900)), None);
        assert_eq!(throttle.admit(later(1_000)), Some(3));
        assert_eq!(throttle.admit(later(1_000)), None);
        let admitted: Vec<_> = (0..4).map(|_| throttle.admit(later(60_000))).collect();
        assert_eq!(admitted, [Some(1), Some(0), Some(0), None]);
    }
}
