//! Channels of one shard: the members on this shard, by slot, and for channels that this shard owns, the
//! member counts of other shards.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::delivery::codec::{Form, Forms};
use crate::delivery::{ChannelEvent, Members};
use crate::id::ShardId;
use crate::table::{Peak, Place, Table};

/// A connection's place in a channel: which channel, and where in its list of members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Membership {
    channel: u32,
    /// The highest bit tells whether it is positioned.
    place: u32,
}

const _: () = assert!(size_of::<Membership>() == 8);

impl Membership {
    pub(crate) const fn new(channel: u32, place: u32) -> Self {
        Self { channel, place }
    }

    /// Lets the connection be told of a publication that does not reach it.
    pub(crate) const fn positioned(mut self, is_positioned: bool) -> Self {
        self.place |= if is_positioned { POSITIONED } else { 0 };
        self
    }

    /// Returns the number of the channel.
    pub(crate) const fn channel(self) -> u32 {
        self.channel
    }

    /// Returns the place in the list of members.
    pub(crate) const fn place(self) -> u32 {
        self.place & !POSITIONED
    }

    pub(crate) const fn set_place(&mut self, place: u32) {
        self.place = self.place & POSITIONED | place;
    }

    /// Returns whether the connection is told of a publication that does not reach it.
    pub(crate) const fn is_positioned(self) -> bool {
        self.place & POSITIONED != 0
    }
}

const POSITIONED: u32 = 1 << 31;

/// What members of a channel get. Each is a list of its own, which few channels have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum ChannelList {
    /// What is published.
    #[default]
    Members,
    /// Who comes and leaves. Whoever is on this list is a member as well.
    Listeners,
}

impl From<ChannelEvent> for ChannelList {
    fn from(event: ChannelEvent) -> Self {
        match event {
            ChannelEvent::Publication => Self::Members,
            ChannelEvent::Join | ChannelEvent::Leave => Self::Listeners,
        }
    }
}

/// The channels of a connection.
pub(crate) type Memberships = SmallVec<[Membership; 2]>;

/// Bytes of memory of a list of channels, beside the slot that it is in.
pub(crate) fn list_bytes(memberships: &Memberships) -> usize {
    if memberships.spilled() {
        memberships.capacity() * size_of::<Membership>()
    } else {
        0
    }
}

/// The channels that have members on this shard, or are kept here for others.
#[derive(Debug)]
pub(crate) struct ChannelRegistry {
    channels: Table<Channel>,
    by_name: HashTable<u32>,
    peak: Peak,
    /// Bytes of memory that channels own besides: names and lists.
    owned: usize,
    /// Changes of members of any channel.
    changes: u64,
    owners: OwnerShards,
}

/// Where channels have their owners: the same on every shard of a server, and outside.
#[derive(Clone, Debug)]
pub(crate) struct OwnerShards {
    hash: FixedState,
    shards: u16,
}

impl OwnerShards {
    pub(crate) fn new(seed: u64, shards: u16) -> Self {
        Self {
            hash: FixedState::with_seed(seed),
            shards,
        }
    }

    /// The shard that decides the order of what is said in the channel, or to everyone.
    pub(crate) fn of(&self, name: Option<&[u8]>) -> ShardId {
        let Some(name) = name.filter(|_| self.shards > 1) else {
            return ShardId(0);
        };
        self.of_hash(self.hash.hash_one(name))
    }

    fn of_hash(&self, hash: u64) -> ShardId {
        // The high bits: the low ones choose the place in the table.
        ShardId(((hash >> 32) % u64::from(self.shards)) as u16)
    }
}

#[derive(Debug, Default)]
struct Channel {
    name: Bytes,
    list: ChannelList,
    /// Of a vacant place the number of the next.
    hash: u64,
    members: Vec<u32>,
    /// Every form that a member has, or had.
    forms: Forms,
    /// At the channel's owner: the other shards that have members, and how many.
    remote_counts: SmallVec<[(ShardId, u32); 2]>,
    /// While the members are visited one after the other, the last first: how many from
    /// the start of the list have not been.
    unvisited: u32,
    /// Whether it is kept even without members.
    is_held: bool,
}

/// Whose place in a list of members has changed: from where, to where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moved {
    pub(crate) slot: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Place for Channel {
    fn vacate(&mut self, next: u32) {
        *self = Self {
            hash: next.into(),
            ..Self::default()
        };
    }

    fn next_vacant(&self) -> u32 {
        self.hash as u32
    }
}

impl Channel {
    /// Takes out the member at this place; says who takes whose place.
    fn remove_member(&mut self, place: u32, mut moved: impl FnMut(Moved)) {
        let mut hole = place;
        if hole < self.unvisited {
            self.unvisited -= 1;
            let from = self.unvisited;
            if hole < from {
                let slot = self.members[from as usize];
                self.members[hole as usize] = slot;
                moved(Moved {
                    slot,
                    from,
                    to: hole,
                });
            }
            hole = from;
        }
        let members = &mut self.members;
        members.swap_remove(hole as usize);
        if let Some(&slot) = members.get(hole as usize) {
            moved(Moved {
                slot,
                from: members.len() as u32,
                to: hole,
            });
        }
    }

    /// Bytes of memory that it owns besides its place.
    fn owned(&self) -> usize {
        let remote_counts = if self.remote_counts.spilled() {
            self.remote_counts.capacity() * size_of::<(ShardId, u32)>()
        } else {
            0
        };
        self.name.len() + self.members.capacity() * size_of::<u32>() + remote_counts
    }
}

impl ChannelRegistry {
    pub(crate) fn new(seed: u64, shards: u16) -> Self {
        Self {
            channels: Table::new(),
            by_name: HashTable::new(),
            peak: Peak::default(),
            owned: 0,
            changes: 0,
            owners: OwnerShards::new(seed, shards),
        }
    }

    /// The shard that decides the order of what is said in the channel.
    pub(crate) fn owner(&self, name: &[u8]) -> ShardId {
        self.owners.of(Some(name))
    }

    /// Where the order of what is said is decided: to everyone, for `None`.
    pub(crate) fn owner_of(&self, name: Option<&[u8]>) -> ShardId {
        self.owners.of(name)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.find_list(name, ChannelList::Members)
    }

    /// Returns the list of those who get this of a channel.
    pub(crate) fn find_list(&self, name: &[u8], list: ChannelList) -> Option<u32> {
        let is_it = |&at: &u32| {
            let channel = &self.channels[at];
            channel.name == name && channel.list == list
        };
        self.by_name.find(self.hash(name, list), is_it).copied()
    }

    fn hash(&self, name: &[u8], list: ChannelList) -> u64 {
        self.owners.hash.hash_one(name) ^ list as u64
    }

    pub(crate) fn list_of(&self, channel: u32) -> ChannelList {
        self.channels[channel].list
    }

    /// A number that stands for the channel's name, here and now.
    pub(crate) fn scope(&self, name: &[u8]) -> u64 {
        self.owners.hash.hash_one(name)
    }

    /// [`scope`](Self::scope) of a channel, or of none.
    pub(crate) fn scope_of(&self, name: Option<&[u8]>) -> u64 {
        name.map_or(0, |name| self.scope(name))
    }

    pub(crate) fn name(&self, channel: u32) -> &Bytes {
        &self.channels[channel].name
    }

    pub(crate) fn members(&self, channel: u32) -> &[u32] {
        &self.channels[channel].members
    }

    /// Returns the members of a channel, to deliver a publication to all but one of them.
    pub(crate) fn list(&self, channel: u32, except: Option<u32>) -> Members<'_> {
        Members {
            channel,
            version: self.changes,
            list: &self.channels[channel].members,
            forms: self.channels[channel].forms,
            except,
        }
    }

    /// The other shards that have members of a channel whose owner is here.
    pub(crate) fn remote_counts(&self, channel: u32) -> &[(ShardId, u32)] {
        &self.channels[channel].remote_counts
    }

    /// How many channels there are.
    pub(crate) fn len(&self) -> usize {
        self.channels.occupied() as usize
    }

    /// Bytes of memory by which its tables grow with one channel more.
    pub(crate) fn growth(&self) -> usize {
        let is_full = self.by_name.len() == self.by_name.capacity();
        let by_name = if is_full {
            self.by_name.allocation_size()
        } else {
            0
        };
        self.channels.growth() + by_name
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self) {
        self.channels.decay();
        let (channels, len) = (&self.channels, self.by_name.len());
        if let Some(most) = self.peak.decay(len, self.by_name.capacity()) {
            self.by_name.shrink_to(most, |&at| channels[at].hash);
        }
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.channels.memory() + self.by_name.allocation_size() + self.owned
    }

    /// The same, counted anew.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn count_memory(&self) -> usize {
        let owned = self.channels.iter().map(Channel::owned).sum::<usize>();
        self.channels.memory() + self.by_name.allocation_size() + owned
    }

    /// Changes a channel, and takes note of what it owns after that.
    #[inline]
    fn change<R>(&mut self, channel: u32, change: impl FnOnce(&mut Channel) -> R) -> R {
        let channel = &mut self.channels[channel];
        let before = channel.owned();
        let result = change(channel);
        self.owned = self.owned - before + channel.owned();
        result
    }

    /// Adds a member and says what its back-pointer must be.
    pub(crate) fn add_member(
        &mut self,
        name: &[u8],
        list: ChannelList,
        slot: u32,
        form: Form,
    ) -> Membership {
        self.changes += 1;
        let channel = self.find_or_create(name, list);
        let place = self.change(channel, |channel| {
            channel.members.push(slot);
            channel.forms.insert(form);
            (channel.members.len() - 1) as u32
        });
        Membership::new(channel, place)
    }

    /// Takes a member out. Others take its place, whose back-pointers `moved` must set.
    /// Who has not been visited stays before those who have been: the last of the former
    /// takes the place of one of them, and the last of all the place of that.
    pub(crate) fn remove_member(&mut self, membership: Membership, moved: impl FnMut(Moved)) {
        self.changes += 1;
        let is_empty = self.change(membership.channel, |channel| {
            channel.remove_member(membership.place(), moved);
            let members = &mut channel.members;
            if members.len() <= members.capacity() / 4 {
                members.shrink_to(2 * members.len());
            }
            if members.is_empty() {
                channel.forms = Forms::default();
            }
            channel.members.is_empty()
        });
        if is_empty {
            self.remove_if_empty(membership.channel);
        }
    }

    /// Keeps the channel, with members or without, until it is [released](Self::release).
    pub(crate) fn hold(&mut self, channel: u32) {
        self.channels[channel].is_held = true;
    }

    /// Keeps the channel no longer than it has members.
    pub(crate) fn release(&mut self, channel: u32) {
        self.channels[channel].is_held = false;
        self.remove_if_empty(channel);
    }

    /// Begins to visit all who are members now.
    pub(crate) fn begin_visit(&mut self, channel: u32) {
        let channel = &mut self.channels[channel];
        channel.unvisited = channel.members.len() as u32;
    }

    /// How many are still to be visited. They are the first of the list.
    pub(crate) fn unvisited(&self, channel: u32) -> u32 {
        self.channels[channel].unvisited
    }

    /// Visits the next member.
    pub(crate) fn visit(&mut self, channel: u32) -> Option<u32> {
        let channel = &mut self.channels[channel];
        channel.unvisited = channel.unvisited.checked_sub(1)?;
        channel.members.get(channel.unvisited as usize).copied()
    }

    /// Takes note, at the channel's owner, of a member on another shard.
    pub(crate) fn add_remote(&mut self, name: &[u8], list: ChannelList, shard: ShardId) {
        let channel = self.find_or_create(name, list);
        self.change(channel, |Channel { remote_counts, .. }| match remote_counts
            .iter_mut()
            .find(|(other, _)| *other == shard)
        {
            Some((_, members)) => *members += 1,
            None => remote_counts.push((shard, 1)),
        });
    }

    /// Takes note, at the channel's owner, that a member on another shard has left.
    pub(crate) fn remove_remote(&mut self, name: &[u8], list: ChannelList, shard: ShardId) {
        let Some(channel) = self.find_list(name, list) else {
            return;
        };
        let remote_counts = &mut self.channels[channel].remote_counts;
        let Some(at) = remote_counts.iter().position(|(other, _)| *other == shard) else {
            return;
        };
        remote_counts[at].1 -= 1;
        if remote_counts[at].1 == 0 {
            remote_counts.swap_remove(at);
            self.remove_if_empty(channel);
        }
    }

    /// How many places for channels there are, in use or not.
    pub(crate) fn places(&self) -> u32 {
        self.channels.len()
    }

    fn find_or_create(&mut self, name: &[u8], list: ChannelList) -> u32 {
        if let Some(channel) = self.find_list(name, list) {
            return channel;
        }
        let hash = self.hash(name, list);
        let new = Channel {
            name: Bytes::copy_from_slice(name),
            list,
            hash,
            ..Channel::default()
        };
        self.owned += new.owned();
        let at = self.channels.insert(new);
        let channels = &self.channels;
        self.by_name
            .insert_unique(hash, at, |&at| channels[at].hash);
        at
    }

    /// A channel without members costs nothing: it is forgotten.
    fn remove_if_empty(&mut self, channel: u32) {
        let Channel {
            hash,
            members,
            remote_counts,
            is_held,
            ..
        } = &self.channels[channel];
        if *is_held || !members.is_empty() || !remote_counts.is_empty() {
            return;
        }
        if let Ok(entry) = self.by_name.find_entry(*hash, |&at| at == channel) {
            entry.remove();
            self.peak.note(self.by_name.len() + 1);
        }
        self.owned -= self.channels[channel].owned();
        self.channels.remove(channel);
    }
}

#[cfg(test)]
mod tests;
