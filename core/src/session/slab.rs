//! Table of slots, and the generations that distinguish their occupants.

use core::ops::{Index, IndexMut};

use crate::id::{ConnId, ShardId};
use crate::proto::ws::Keepalive;
use crate::session::app_types::AppTypes;
use crate::session::links::Links;
use crate::session::phase::Phase;
use crate::session::slot::Slot;
use crate::table::{Place, Table};

/// The slots of a shard, dense and reused.
pub(crate) struct Slab<A: AppTypes> {
    slots: Table<Slot<A>>,
    shard: ShardId,
    /// The generation of the first occupant of a slot that is not there yet: greater than that
    /// of any that was, since the table may have been longer.
    first: u32,
    /// The latest generation of any slot.
    latest: u32,
}

impl<A: AppTypes> Place for Slot<A> {
    fn vacate(&mut self, next: u32) {
        let generation = self.generation.wrapping_add(1);
        *self = Self::new(self.keepalive, generation);
        self.vacate_phase();
        self.links = Links::to_vacant(next);
    }

    fn next_vacant(&self) -> u32 {
        self.links.vacant()
    }
}

impl<A: AppTypes> Slab<A> {
    pub(crate) const fn new(shard: ShardId) -> Self {
        Self {
            slots: Table::new(),
            shard,
            first: 0,
            latest: 0,
        }
    }

    /// A slot for a new socket.
    pub(crate) fn insert(&mut self, keepalive: Keepalive) -> u32 {
        let at = self.slots.next();
        let before = self.slots.get(at as usize);
        let generation = before.map_or(self.first, |before| before.generation);
        self.slots.insert(Slot::new(keepalive, generation))
    }

    /// Frees a slot whose socket and answers are all gone.
    pub(crate) fn remove(&mut self, at: u32) {
        let slot = &self[at];
        debug_assert!(slot.memberships.is_empty() && slot.deferred.is_none());
        // Nobody may come upon a number that passes to another, or is none any more.
        debug_assert!(!slot.flags.resuming());
        let generation = slot.generation.wrapping_add(1);
        // As one comes after another, also where they begin again from zero.
        if (generation.wrapping_sub(self.latest) as i32) > 0 {
            self.latest = generation;
        }
        let places = self.slots.len();
        self.slots.remove(at);
        if self.slots.len() < places {
            self.first = self.latest.wrapping_add(1);
        }
    }

    /// The slot of this connection, if it is still that one.
    pub(crate) fn find(&self, id: ConnId) -> Option<u32> {
        let slot = self.slots.get(id.slot())?;
        let here = slot.generation == id.generation() && slot.phase() != Phase::Free;
        (here && id.shard() == self.shard).then_some(id.slot() as u32)
    }

    pub(crate) fn id(&self, at: u32) -> ConnId {
        self.id_of(at, self[at].generation)
    }

    /// The occupant of this generation.
    #[inline]
    pub(crate) const fn id_of(&self, at: u32, generation: u32) -> ConnId {
        ConnId::new(self.shard, at, generation)
    }

    /// Slots in use.
    pub(crate) fn held(&self) -> usize {
        self.slots.occupied() as usize
    }

    /// Every slot in use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Slot<A>)> {
        (0..)
            .zip(self.slots.iter())
            .filter(|(_, slot)| slot.phase() != Phase::Free)
    }

    /// Bytes of memory.
    pub(crate) const fn memory(&self) -> usize {
        self.slots.memory()
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self) {
        self.slots.decay();
    }

    /// How many slots there are, in use or not.
    pub(crate) fn len(&self) -> u32 {
        self.slots.len()
    }
}

impl<A: AppTypes> Index<u32> for Slab<A> {
    type Output = Slot<A>;

    fn index(&self, at: u32) -> &Slot<A> {
        &self.slots[at]
    }
}

impl<A: AppTypes> IndexMut<u32> for Slab<A> {
    fn index_mut(&mut self, at: u32) -> &mut Slot<A> {
        &mut self.slots[at]
    }
}
