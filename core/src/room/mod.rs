//! The rooms of one shard: who is in them here, and, for the rooms that have
//! their home here, which other shards have members. Knows members by slot.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::id::ShardId;

/// A connection's place in a room: which room, and where in its list of members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Membership {
    pub(crate) room: u32,
    pub(crate) place: u32,
}

const _: () = assert!(size_of::<Membership>() == 8);

/// The rooms that have members on this shard, or are kept here for others.
#[derive(Debug)]
pub(crate) struct Rooms {
    rooms: Vec<Room>,
    free: Vec<u32>,
    by_name: HashTable<u32>,
    homes: Homes,
}

/// Where rooms have their homes: the same on every shard of a server, and outside.
#[derive(Clone, Debug)]
pub(crate) struct Homes {
    hash: FixedState,
    shards: u16,
}

impl Homes {
    pub(crate) fn new(seed: u64, shards: u16) -> Self {
        Self {
            hash: FixedState::with_seed(seed),
            shards,
        }
    }

    /// The shard that decides the order of what is said in the room, or to everyone.
    pub(crate) fn of(&self, name: Option<&[u8]>) -> ShardId {
        let Some(name) = name.filter(|_| self.shards > 1) else {
            return ShardId(0);
        };
        // The high bits: the low ones choose the place in the table.
        ShardId(((self.hash.hash_one(name) >> 32) % u64::from(self.shards)) as u16)
    }
}

#[derive(Debug, Default)]
struct Room {
    name: Bytes,
    hash: u64,
    members: Vec<u32>,
    /// At the room's home: the other shards that have members, and how many.
    elsewhere: SmallVec<[(ShardId, u32); 2]>,
}

impl Rooms {
    pub(crate) fn new(seed: u64, shards: u16) -> Self {
        Self {
            rooms: Vec::new(),
            free: Vec::new(),
            by_name: HashTable::new(),
            homes: Homes::new(seed, shards),
        }
    }

    /// The shard that decides the order of what is said in the room.
    pub(crate) fn home(&self, name: &[u8]) -> ShardId {
        self.homes.of(Some(name))
    }

    /// Where the order of what is said is decided: to everyone, for `None`.
    pub(crate) fn home_of(&self, name: Option<&[u8]>) -> ShardId {
        self.homes.of(name)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        let hash = self.homes.hash.hash_one(name);
        self.by_name
            .find(hash, |&at| self.rooms[at as usize].name == name)
            .copied()
    }

    /// A number that stands for the room's name, here and now.
    pub(crate) fn scope(&self, name: &[u8]) -> u64 {
        self.homes.hash.hash_one(name)
    }

    pub(crate) fn name(&self, room: u32) -> &Bytes {
        &self.rooms[room as usize].name
    }

    pub(crate) fn members(&self, room: u32) -> &[u32] {
        &self.rooms[room as usize].members
    }

    /// The other shards that have members of a room whose home is here.
    pub(crate) fn elsewhere(&self, room: u32) -> &[(ShardId, u32)] {
        &self.rooms[room as usize].elsewhere
    }

    /// How many rooms there are.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len() - self.free.len()
    }

    /// Adds a member and says what its back-pointer must be.
    pub(crate) fn add_member(&mut self, name: &[u8], slot: u32) -> Membership {
        let room = self.find_or_create(name);
        let members = &mut self.rooms[room as usize].members;
        members.push(slot);
        Membership {
            room,
            place: (members.len() - 1) as u32,
        }
    }

    /// Takes a member out. The last member takes its place: `Some` with its slot
    /// means that its back-pointer must name that place now.
    pub(crate) fn remove_member(&mut self, membership: Membership) -> Option<u32> {
        let members = &mut self.rooms[membership.room as usize].members;
        members.swap_remove(membership.place as usize);
        let moved = members.get(membership.place as usize).copied();
        if members.is_empty() {
            self.remove_if_empty(membership.room);
        }
        moved
    }

    /// Takes note, at the room's home, of members on another shard.
    pub(crate) fn add_elsewhere(&mut self, name: &[u8], shard: ShardId, more: u32) {
        let room = self.find_or_create(name);
        let elsewhere = &mut self.rooms[room as usize].elsewhere;
        match elsewhere.iter_mut().find(|(other, _)| *other == shard) {
            Some((_, members)) => *members += more,
            None => elsewhere.push((shard, more)),
        }
    }

    /// Takes note, at the room's home, that a member on another shard has left.
    pub(crate) fn remove_elsewhere(&mut self, name: &[u8], shard: ShardId) {
        let Some(room) = self.find(name) else { return };
        let elsewhere = &mut self.rooms[room as usize].elsewhere;
        let Some(at) = elsewhere.iter().position(|(other, _)| *other == shard) else {
            return;
        };
        elsewhere[at].1 -= 1;
        if elsewhere[at].1 == 0 {
            elsewhere.swap_remove(at);
            self.remove_if_empty(room);
        }
    }

    /// Takes note that a shard has no members of any room any more.
    pub(crate) fn forget_shard(&mut self, shard: ShardId) {
        for room in 0..self.places() {
            let elsewhere = &mut self.rooms[room as usize].elsewhere;
            let before = elsewhere.len();
            elsewhere.retain(|(other, _)| *other != shard);
            if elsewhere.len() < before {
                self.remove_if_empty(room);
            }
        }
    }

    /// How many places for rooms there are, in use or not.
    pub(crate) fn places(&self) -> u32 {
        self.rooms.len() as u32
    }

    fn find_or_create(&mut self, name: &[u8]) -> u32 {
        if let Some(room) = self.find(name) {
            return room;
        }
        let hash = self.homes.hash.hash_one(name);
        let new = Room {
            name: Bytes::copy_from_slice(name),
            hash,
            ..Room::default()
        };
        let at = if let Some(free) = self.free.pop() {
            self.rooms[free as usize] = new;
            free
        } else {
            self.rooms.push(new);
            (self.rooms.len() - 1) as u32
        };
        let rooms = &self.rooms;
        self.by_name
            .insert_unique(hash, at, |&at| rooms[at as usize].hash);
        at
    }

    /// A room without members costs nothing: it is forgotten.
    fn remove_if_empty(&mut self, room: u32) {
        let Room {
            hash,
            members,
            elsewhere,
            ..
        } = &self.rooms[room as usize];
        if !members.is_empty() || !elsewhere.is_empty() {
            return;
        }
        if let Ok(entry) = self.by_name.find_entry(*hash, |&at| at == room) {
            entry.remove();
        }
        self.rooms[room as usize] = Room::default();
        self.free.push(room);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rooms_agree_with_sets_of_names(
            ops in prop::collection::vec((any::<bool>(), 0u32..12, 0u8..6, 0u16..3), 1..300)
        ) {
            let mut rooms = Rooms::new(7, 4);
            let mut places: BTreeMap<(u32, u8), Membership> = BTreeMap::new();
            let mut elsewhere: BTreeMap<(u8, u16), u32> = BTreeMap::new();
            for (join, slot, room, shard) in ops {
                let name = [room];
                if shard > 0 {
                    let count = elsewhere.entry((room, shard)).or_default();
                    if join {
                        rooms.add_elsewhere(&name, ShardId(shard), 1);
                        *count += 1;
                    } else if *count > 0 {
                        rooms.remove_elsewhere(&name, ShardId(shard));
                        *count -= 1;
                    }
                } else if join {
                    places.entry((slot, room)).or_insert_with(|| rooms.add_member(&name, slot));
                } else if let Some(place) = places.remove(&(slot, room))
                    && let Some(moved) = rooms.remove_member(place)
                {
                    places.get_mut(&(moved, room)).expect("a member").place = place.place;
                }
                elsewhere.retain(|_, count| *count > 0);
                let names: BTreeSet<u8> =
                    places.keys().map(|k| k.1).chain(elsewhere.keys().map(|k| k.0)).collect();
                prop_assert_eq!(rooms.len(), names.len());
                for name in 0..6 {
                    let Some(at) = rooms.find(&[name]) else {
                        prop_assert!(!names.contains(&name));
                        continue;
                    };
                    let members: BTreeSet<u32> = rooms.members(at).iter().copied().collect();
                    let expected: BTreeSet<u32> =
                        places.keys().filter(|k| k.1 == name).map(|k| k.0).collect();
                    prop_assert_eq!(members.len(), rooms.members(at).len());
                    prop_assert_eq!(members, expected);
                    for &(ShardId(shard), count) in rooms.elsewhere(at) {
                        prop_assert_eq!(elsewhere.get(&(name, shard)), Some(&count));
                    }
                }
                for (&(slot, _), place) in &places {
                    prop_assert_eq!(rooms.members(place.room)[place.place as usize], slot);
                }
            }
        }
    }
}
