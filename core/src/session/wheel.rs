//! Timer wheel of a shard. It is lazy: a slot is entered at the earliest time at which one of its
//! timers can be due. On expiry, the engine checks which timers are due and enters the slot again.

use alloc::vec::Vec;

use crate::session::app_types::AppTypes;
use crate::session::links::{Links, NIL};
use crate::session::slab::Slab;
use crate::time::Timestamp;

/// One lazy wheel for all slots of a shard.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Length of a tick in microseconds.
    tick: u64,
    /// Everything up to and including this tick has been looked at.
    seen: u64,
    /// The earliest tick that may have an entry.
    earliest: Option<u64>,
    heads: Vec<u32>,
}

impl Wheel {
    pub(crate) fn new(tick: core::time::Duration) -> Self {
        let tick = crate::time::micros(tick).max(1);
        Self {
            tick,
            seen: 0,
            earliest: None,
            heads: alloc::vec![NIL; BUCKETS],
        }
    }

    /// Bytes of memory.
    pub(crate) const fn memory(&self) -> usize {
        self.heads.capacity() * size_of::<u32>()
    }

    /// Enters the slot for `at`, rounded up to a tick, unless it is entered for
    /// an earlier one already.
    pub(crate) fn arm<A: AppTypes>(&mut self, slots: &mut Slab<A>, slot: u32, at: Timestamp) {
        // Beyond the horizon it is looked at early, and entered again.
        let wanted = at.as_micros().div_ceil(self.tick);
        let tick = wanted.clamp(self.seen + 1, self.seen + BUCKETS as u64 - 1);
        let links = slots[slot].links;
        if links.bucket != NIL {
            if self.distance(u64::from(links.bucket)) <= self.distance(tick) {
                return;
            }
            self.disarm(slots, slot);
        }
        let bucket = tick as usize % BUCKETS;
        let next = core::mem::replace(&mut self.heads[bucket], slot);
        slots[slot].links = Links {
            next,
            before: NIL,
            bucket: bucket as u32,
        };
        if next != NIL {
            slots[next].links.before = slot;
        }
        self.earliest = Some(self.earliest.map_or(tick, |earliest| earliest.min(tick)));
    }

    pub(crate) fn disarm<A: AppTypes>(&mut self, slots: &mut Slab<A>, slot: u32) {
        let Links {
            next,
            before,
            bucket,
        } = slots[slot].links;
        if bucket == NIL {
            return;
        }
        if before == NIL {
            self.heads[bucket as usize] = next;
        } else {
            slots[before].links.next = next;
        }
        if next != NIL {
            slots[next].links.before = before;
        }
        slots[slot].links = Links::NONE;
    }

    /// A slot that was entered for `now` or before, taken out.
    pub(crate) fn expired<A: AppTypes>(
        &mut self,
        slots: &mut Slab<A>,
        now: Timestamp,
    ) -> Option<u32> {
        let end = now.as_micros() / self.tick;
        while let Some(tick) = self.earliest.filter(|&tick| tick <= end) {
            let slot = self.heads[tick as usize % BUCKETS];
            if slot != NIL {
                self.seen = self.seen.max(tick - 1);
                self.disarm(slots, slot);
                return Some(slot);
            }
            self.seen = self.seen.max(tick);
            self.earliest = self.following(tick);
        }
        self.seen = self.seen.max(end);
        None
    }

    /// When there may be something to look at.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.earliest
            .map(|tick| Timestamp::from_micros(tick * self.tick))
    }

    /// How far ahead a tick, or a bucket, is.
    const fn distance(&self, tick: u64) -> u64 {
        let buckets = BUCKETS as u64;
        (tick + buckets - (self.seen + 1) % buckets) % buckets
    }

    /// The next tick after this one that has an entry.
    fn following(&self, tick: u64) -> Option<u64> {
        (tick + 1..tick + BUCKETS as u64).find(|&at| self.heads[at as usize % BUCKETS] != NIL)
    }
}

const BUCKETS: usize = 1_024;
