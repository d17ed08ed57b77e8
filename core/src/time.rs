//! Owns the core's idea of time: a point that the adapter passes in. There is
//! no clock here; whoever drives a machine decides what time it is.

use core::num::NonZeroU64;
use core::time::Duration;

/// A point in time, in microseconds since an origin that the adapter chooses
/// (the start of the process, or zero in a simulation).
///
/// Points handed to one machine must not go backwards. `Option<Timestamp>` is
/// as small as `Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// The earliest point there is.
    pub const ORIGIN: Self = Self(NonZeroU64::MIN);

    /// The point `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        match NonZeroU64::new(micros.saturating_add(1)) {
            Some(n) => Self(n),
            None => Self::ORIGIN,
        }
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0.get() - 1
    }

    /// The point `delay` later; the far end of time where that overflows.
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        Self::from_micros(self.as_micros().saturating_add(micros(delay)))
    }

    /// How long ago `earlier` was; zero where it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.as_micros().saturating_sub(earlier.as_micros()))
    }
}

impl core::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}us", self.as_micros())
    }
}

/// A duration in whole microseconds, saturating.
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
