//! Owns the bound on log lines that strangers can cause: so many a second, and a count of the rest.
//! Whoever floods a server with bad requests is not to fill its disk as well.

use std::time::{Duration, Instant};

/// Lets so many lines through in a second, and counts those it holds back.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    lines: u32,
    left: u32,
    since: Option<Instant>,
    held_back: u64,
}

impl Throttle {
    /// Lets this many lines through in a second.
    #[must_use]
    pub const fn new(lines: u32) -> Self {
        Self {
            lines,
            left: lines,
            since: None,
            held_back: 0,
        }
    }

    /// Whether a line may be written: `Some` with how many were held back since the last that was.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let begun = self.since.get_or_insert(now);
        if now.saturating_duration_since(*begun) >= SECOND {
            *begun = now;
            self.left = self.lines;
        }
        if self.left == 0 {
            self.held_back += 1;
            return None;
        }
        self.left -= 1;
        Some(core::mem::take(&mut self.held_back))
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_and_a_count_of_the_rest() {
        let begin = Instant::now();
        let mut throttle = Throttle::new(2);
        let admitted: Vec<_> = (0..4).map(|_| throttle.admit(begin)).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None]);
        assert_eq!(throttle.admit(begin + SECOND / 2), None);
        assert_eq!(throttle.admit(begin + SECOND), Some(3));
        assert_eq!(throttle.admit(begin + SECOND), Some(0));
        assert_eq!(throttle.admit(begin + SECOND), None);
    }
}
