//! Properties of a frame besides its bytes: rank, time of publication, deadline, key and stream.

use crate::delivery::frame::Rank;
use crate::time::Timestamp;

/// What a frame is labelled with when it is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameMeta {
    pub(crate) rank: Rank,
    /// When it was published.
    pub(crate) born: Timestamp,
    /// From when on it is not to be sent any more.
    pub(crate) deadline: Option<Timestamp>,
    /// What it is news of: newer news may take its place.
    pub(crate) key: Option<Key>,
    /// The number of the channel in whose stream it has a place. Where it does not reach a
    /// connection, that is [noted](crate::delivery::Outbound::pop_lost).
    pub(crate) stream: Option<u32>,
}

/// What a message is news of, wherever it is published.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    /// Where it is said; keys of different rooms have nothing to do with each other.
    pub(crate) scope: u64,
    /// What the publisher calls it.
    pub(crate) name: u64,
}

impl From<Rank> for FrameMeta {
    /// Returns a frame that neither ages nor is replaced.
    fn from(rank: Rank) -> Self {
        Self {
            rank,
            born: Timestamp::ORIGIN,
            deadline: None,
            key: None,
            stream: None,
        }
    }
}

/// A time of birth in four bytes: enough for an age of up to nine hours, to
/// sixteen microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublishedAt(u32);

impl PublishedAt {
    pub(super) const fn new(at: Timestamp) -> Self {
        Self((at.as_micros() >> TICK) as u32)
    }

    /// Returns its age in microseconds. Whoever published it may have had a younger clock.
    pub(super) fn age(self, now: Timestamp) -> u64 {
        let ticks = Self::new(now).0.wrapping_sub(self.0).cast_signed();
        u64::from(ticks.max(0).unsigned_abs()) << TICK
    }
}

const TICK: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_coarse_and_never_negative() {
        let at = Timestamp::from_micros;
        let born = PublishedAt::new(at(1_000_000));
        assert_eq!(born.age(at(1_000_000)), 0);
        assert_eq!(born.age(at(1_000_160)), 160);
        assert_eq!(born.age(at(999_000)), 0);
        let late = PublishedAt::new(at((1 << 36) - 16));
        assert_eq!(late.age(at((1 << 36) + 16)), 32, "where four bytes end");
    }
}
