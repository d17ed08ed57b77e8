//! DeliveryCounts of dropped messages by connection. A connection that loses nothing has no entry.

use alloc::boxed::Box;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::table::Peak;

/// Messages for one connection that were not written, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Drops {
    /// Refused because its queue was full and nothing in it could be dropped.
    pub refused: u64,
    /// Evicted from its full queue by other messages.
    pub evicted: u64,
    /// Dropped because their time to live had passed.
    pub expired: u64,
    /// Replaced by newer ones with the same key.
    pub conflated: u64,
    /// Dropped because the shard was short of memory.
    pub shed: u64,
    /// Discarded because the connection ended first.
    pub discarded: u64,
}

/// The counts of a shard's connections, by slot.
#[derive(Debug)]
pub(super) struct DropCounters {
    /// Boxed, since all entries are moved in one go when the table grows.
    by_slot: HashMap<u32, Box<Drops>, FixedState>,
    peak: Peak,
}

impl DropCounters {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            by_slot: HashMap::with_hasher(FixedState::with_seed(seed)),
            peak: Peak::default(),
        }
    }

    /// Returns the counts of a connection, to add to them.
    pub(super) fn of(&mut self, at: u32) -> &mut Drops {
        self.by_slot.entry(at).or_default()
    }

    /// Returns the counts of a connection.
    pub(super) fn get(&self, at: u32) -> Drops {
        self.by_slot
            .get(&at)
            .map(|drops| **drops)
            .unwrap_or_default()
    }

    /// Returns the counts of a connection that ends, and forgets them.
    pub(super) fn take(&mut self, at: u32) -> Drops {
        self.peak.note(self.by_slot.len());
        self.by_slot
            .remove(&at)
            .map(|drops| *drops)
            .unwrap_or_default()
    }

    /// Gives back memory that has not been needed since the last call.
    pub(super) fn decay(&mut self) {
        let (len, capacity) = (self.by_slot.len(), self.by_slot.capacity());
        if let Some(most) = self.peak.decay(len, capacity) {
            self.by_slot.shrink_to(most);
        }
    }

    /// Returns the bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        self.by_slot.allocation_size() + self.by_slot.len() * size_of::<Drops>()
    }

    /// Returns all entries.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn iter(&self) -> impl Iterator<Item = Drops> {
        self.by_slot.values().map(|drops| **drops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_lose_messages_take_memory_until_their_end() {
        let mut drops = DropCounters::new(1);
        assert_eq!(drops.memory(), 0);
        for at in 0..1_000 {
            drops.of(at).evicted += 1;
        }
        let entry = size_of::<Drops>() + size_of::<(u32, Box<Drops>)>();
        assert!(drops.memory() >= 1_000 * entry, "{}", drops.memory());
        for at in 0..1_000 {
            assert_eq!(drops.take(at).evicted, 1);
        }
        assert_eq!(drops.get(7), Drops::default());
        // What was there since the last time is kept once.
        drops.decay();
        drops.decay();
        assert!(drops.memory() < 100 * entry, "{}", drops.memory());
    }
}
