//! Points in time, as passed in by the adapter. The core has no clock; the caller that drives a
//! state machine supplies the time.

use core::num::NonZeroU64;
use core::time::Duration;

/// A point in time, in microseconds since an origin that the adapter chooses
/// (the start of the process, or zero in a simulation).
///
/// Points passed to one state machine must not go backwards. `Option<Timestamp>` has the size of
/// `Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// The earliest point in time.
    pub const ORIGIN: Self = Self(NonZeroU64::MIN);

    /// Returns the point `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        match NonZeroU64::new(micros.saturating_add(1)) {
            Some(n) => Self(n),
            None => Self::ORIGIN,
        }
    }

    /// Returns the number of microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0.get() - 1
    }

    /// Returns the point `delay` later, saturating.
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        Self::from_micros(self.as_micros().saturating_add(micros(delay)))
    }

    /// Returns the time elapsed since `earlier`, or zero if it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.as_micros().saturating_sub(earlier.as_micros()))
    }
}

impl core::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}us", self.as_micros())
    }
}

/// Converts a duration to whole microseconds, saturating.
pub(crate) const fn micros(duration: Duration) -> u64 {
    let micros = duration.as_micros();
    if micros > u64::MAX as u128 {
        u64::MAX
    } else {
        micros as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_origin_and_saturates() {
        let t = Timestamp::from_micros(5);
        assert_eq!(t.as_micros(), 5);
        assert_eq!(t.after(Duration::from_millis(2)).as_micros(), 2_005);
        assert_eq!(t.after(Duration::MAX), Timestamp::from_micros(u64::MAX));
        assert_eq!(Timestamp::ORIGIN.since(t), Duration::ZERO);
        assert_eq!(size_of::<Option<Timestamp>>(), 8);
    }
}
