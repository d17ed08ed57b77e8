//! How fast a connection may send: messages and bytes a second, as token buckets. What it has spent is
//! kept as the time at which it is paid for (GCRA).

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Config;
use crate::time::{Timestamp, micros};

/// What the connections of a shard have spent, by slot.
#[derive(Debug)]
pub(crate) struct RateLimits {
    /// Messages and bytes a second; 0 is no limit.
    messages: u64,
    bytes: u64,
    window: u64,
    rows: Vec<Spent>,
}

/// The times until which a connection has spent its tokens, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    messages: u64,
    bytes: u64,
    /// Whether it is not read until it may send again.
    is_throttled: bool,
}

impl RateLimits {
    /// Returns the limits of a configuration, if it has any.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let limits = Self {
            messages: config.message_rate as u64,
            bytes: config.byte_rate as u64,
            window: micros(config.rate_burst),
            rows: Vec::new(),
        };
        (limits.messages > 0 || limits.bytes > 0).then_some(limits)
    }

    /// Takes the tokens of what a connection has sent. Returns whether it has spent more than it has.
    pub(crate) fn charge(&mut self, at: u32, now: Timestamp, messages: u64, bytes: usize) -> bool {
        let at = at as usize;
        if self.rows.len() <= at {
            self.rows.resize(at + 1, Spent::default());
        }
        let row = &mut self.rows[at];
        let now = now.as_micros();
        row.messages = row.messages.max(now) + cost(messages, self.messages);
        row.bytes = row.bytes.max(now) + cost(bytes as u64, self.bytes);
        row.messages.max(row.bytes) > now + self.window
    }

    /// Returns when a connection that has spent too much may send again.
    pub(crate) fn resumes(&self, at: u32) -> Timestamp {
        let row = self.rows.get(at as usize).copied().unwrap_or_default();
        let spent = row.messages.max(row.bytes);
        Timestamp::ORIGIN.after(Duration::from_micros(spent.saturating_sub(self.window)))
    }

    /// Returns whether a connection is not read until it may send again.
    #[inline]
    pub(crate) fn is_throttled(&self, at: u32) -> bool {
        let row = self.rows.get(at as usize);
        row.is_some_and(|row| row.is_throttled)
    }

    /// Sets whether a connection is not read. Returns whether that has changed.
    pub(crate) fn set_throttled(&mut self, at: u32, is_throttled: bool) -> bool {
        let Some(row) = self.rows.get_mut(at as usize) else {
            return false;
        };
        core::mem::replace(&mut row.is_throttled, is_throttled) != is_throttled
    }

    /// Forgets the connection in a slot.
    pub(crate) fn forget(&mut self, at: u32) {
        if let Some(row) = self.rows.get_mut(at as usize) {
            *row = Spent::default();
        }
    }

    /// Gives back the memory of slots that are no longer there.
    pub(crate) fn shrink(&mut self, slots: usize) {
        if self.rows.len() > slots {
            self.rows.truncate(slots);
            self.rows.shrink_to(slots);
        }
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<Spent>()
    }
}

/// Returns the microseconds that so many take at a rate.
const fn cost(count: u64, rate: u64) -> u64 {
    match rate {
        0 => 0,
        rate => (count * SECOND).div_ceil(rate),
    }
}

const SECOND: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(messages: usize, bytes: usize) -> RateLimits {
        let config = Config::builder()
            .message_rate(messages)
            .byte_rate(bytes)
            .rate_burst(Duration::from_secs(2));
        RateLimits::new(&config.build().expect("in range")).expect("limits")
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::ORIGIN.after(Duration::from_millis(millis))
    }

    #[test]
    fn messages_may_come_at_once_up_to_the_burst_and_then_at_their_rate() {
        let mut limits = limits(10, 0);
        assert!((0..20).all(|_| !limits.charge(3, at(1_000), 1, 1 << 20)));
        assert!(limits.charge(3, at(1_000), 1, 0));
        assert_eq!(limits.resumes(3), at(1_100));
        assert!(!limits.charge(2, at(1_000), 1, 0), "of another");
        assert!(limits.charge(3, at(1_100), 1, 0));
        assert!(!limits.charge(3, at(1_300), 1, 0));
        assert!((0..20).all(|_| !limits.charge(3, at(60_000), 1, 0)));
        assert!(limits.charge(3, at(60_000), 1, 0), "it does not save more");
        limits.forget(3);
        assert!(!limits.charge(3, at(60_000), 1, 0));
    }

    #[test]
    fn bytes_are_paid_for_by_the_time_they_take() {
        let mut limits = limits(0, 1_000_000);
        assert!(!limits.charge(0, at(0), 9, 2_000_000));
        assert!(limits.charge(0, at(0), 0, 500_000));
        assert_eq!(limits.resumes(0), at(500));
        assert!(!limits.charge(0, at(500), 0, 0));
        assert!(RateLimits::new(&Config::default()).is_none());
    }
}
