//! Owns the table of slots and the generations that tell its occupants apart.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use smallvec::SmallVec;

use super::flushes::Standing;
use super::pace::Pace;
use super::slot::{Flags, Phase, Pressing, Slot, Subprotocol};
use super::wheel::Links;
use crate::conn::{Connection, Keepalive, Role};
use crate::handler::Handler;
use crate::id::{ConnId, ShardId};
use crate::queue::Queue;

/// The slots of a shard, dense and reused.
pub(super) struct Slab<H: Handler> {
    slots: Vec<Slot<H>>,
    free: Vec<u32>,
    shard: ShardId,
    /// The generation of a slot's first occupant.
    first: u32,
    /// The latest generation of any slot.
    latest: u32,
}

impl<H: Handler> Slab<H> {
    pub(super) const fn new(shard: ShardId) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            shard,
            first: 0,
            latest: 0,
        }
    }

    /// A slot for a new socket.
    pub(super) fn insert(&mut self, keepalive: Keepalive) -> u32 {
        // Whoever was here may still stand among those to be flushed, or that were pressing,
        // and so does who comes: then nobody stands there twice.
        let (at, generation, flush, pressing) = match self.free.pop() {
            Some(at) => {
                let Slot {
                    generation, flags, ..
                } = &self[at];
                (at, *generation, flags.flush, flags.pressing)
            }
            None => {
                let at = self.slots.len() as u32;
                (at, self.first, Standing::default(), Pressing::No)
            }
        };
        let slot = Slot {
            conn: Connection::new(Role::Server),
            queue: Queue::new(at),
            keepalive,
            moment: None,
            stalled: None,
            pace: Pace::default(),
            behind: 0,
            memberships: SmallVec::new(),
            pending: None,
            links: Links::NONE,
            generation,
            phase: Phase::Head,
            flags: Flags {
                flush,
                pressing,
                ..Flags::default()
            },
            subprotocol: Subprotocol::default(),
            answers: 0,
            state: None,
        };
        if at as usize == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[at as usize] = slot;
        }
        at
    }

    /// Frees a slot whose socket and answers are all gone.
    pub(super) fn remove(&mut self, at: u32) {
        let slot = &mut self[at];
        debug_assert!(
            slot.queue.is_empty() && slot.memberships.is_empty() && slot.pending.is_none()
        );
        slot.phase = Phase::Free;
        slot.generation = slot.generation.wrapping_add(1);
        let generation = slot.generation;
        // As one comes after another, also where they begin again from zero.
        if (generation.wrapping_sub(self.latest) as i32) > 0 {
            self.latest = generation;
        }
        self.free.push(at);
    }

    /// The slot of this connection, if it is still that one.
    pub(super) fn find(&self, id: ConnId) -> Option<u32> {
        let slot = self.slots.get(id.slot())?;
        let here = slot.generation == id.generation() && slot.phase != Phase::Free;
        (here && id.shard() == self.shard).then_some(id.slot() as u32)
    }

    pub(super) fn id(&self, at: u32) -> ConnId {
        self.id_of(at, self[at].generation)
    }

    /// The occupant of this generation.
    #[inline]
    pub(super) const fn id_of(&self, at: u32, generation: u32) -> ConnId {
        ConnId::new(self.shard, at, generation)
    }

    /// Slots in use.
    pub(super) fn held(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Makes new slots begin with this generation.
    pub(super) const fn begin_generations(&mut self, first: u32) {
        self.first = first;
        self.latest = first;
    }

    /// A generation that no slot has had yet.
    pub(super) const fn next_generation(&self) -> u32 {
        self.latest.wrapping_add(1)
    }

    /// The last slot, out of the table: of a shard that has failed.
    pub(super) fn pop(&mut self) -> Option<Slot<H>> {
        self.slots.pop()
    }

    /// Every slot in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Slot<H>)> {
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.phase != Phase::Free)
    }

    /// Bytes of memory.
    pub(super) const fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<H>>()
    }

    /// How many slots there are, in use or not.
    pub(super) fn len(&self) -> u32 {
        self.slots.len() as u32
    }
}

impl<H: Handler> Index<u32> for Slab<H> {
    type Output = Slot<H>;

    fn index(&self, at: u32) -> &Slot<H> {
        &self.slots[at as usize]
    }
}

impl<H: Handler> IndexMut<u32> for Slab<H> {
    fn index_mut(&mut self, at: u32) -> &mut Slot<H> {
        &mut self.slots[at as usize]
    }
}
