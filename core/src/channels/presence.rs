//! Presence: the members of the channels that a shard owns, as far as they are shown to others.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::channels::query::ChannelAnswer;
use crate::channels::subscription::ShownMember;
use crate::id::ConnId;

/// Who is shown in which channel.
#[derive(Debug)]
pub(crate) struct Presence {
    channels: HashMap<Bytes, Shown, FixedState>,
    hash: FixedState,
    members: usize,
    /// Bytes of memory of names, tables and what is shown.
    owned: usize,
}

/// Who is shown in one channel.
#[derive(Debug)]
struct Shown {
    members: HashMap<ConnId, ShownMember, FixedState>,
    /// How many connections a user has, by the hash of the user.
    users: HashMap<u64, u32, FixedState>,
}

impl Shown {
    fn memory(&self) -> usize {
        self.members.allocation_size() + self.users.allocation_size()
    }
}

impl Presence {
    pub(crate) fn new(seed: u64) -> Self {
        let hash = FixedState::with_seed(seed);
        Self {
            channels: HashMap::with_hasher(hash.clone()),
            hash,
            members: 0,
            owned: 0,
        }
    }

    /// Returns how many members are shown.
    pub(crate) const fn members(&self) -> usize {
        self.members
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.channels.allocation_size() + self.owned
    }

    /// Shows a member, in place of what was shown of the connection.
    pub(crate) fn insert(&mut self, name: &Bytes, conn: ConnId, member: ShownMember) {
        self.remove(name, conn);
        let user = self.hash.hash_one(&member.info.user);
        let hash = &self.hash;
        let shown = match self.channels.entry(name.clone()) {
            Entry::Occupied(shown) => shown.into_mut(),
            Entry::Vacant(new) => {
                self.owned += name.len();
                new.insert(Shown {
                    members: HashMap::with_hasher(hash.clone()),
                    users: HashMap::with_hasher(hash.clone()),
                })
            }
        };
        let before = shown.memory();
        *shown.users.entry(user).or_default() += 1;
        self.owned += member.memory();
        shown.members.insert(conn, member);
        self.owned = self.owned - before + shown.memory();
        self.members += 1;
    }

    /// Shows a connection no more. Returns what was shown of it.
    pub(crate) fn remove(&mut self, name: &[u8], conn: ConnId) -> Option<ShownMember> {
        let shown = self.channels.get_mut(name)?;
        let member = shown.members.remove(&conn)?;
        let user = self.hash.hash_one(&member.info.user);
        let before = shown.memory();
        if let Entry::Occupied(mut connections) = shown.users.entry(user) {
            *connections.get_mut() -= 1;
            if *connections.get() == 0 {
                connections.remove();
            }
        }
        if 4 * shown.members.len() < shown.members.capacity() {
            shown.members.shrink_to_fit();
            shown.users.shrink_to_fit();
        }
        self.owned = self.owned - before + shown.memory() - member.memory();
        self.members -= 1;
        if shown.members.is_empty() {
            self.owned -= shown.memory() + name.len();
            self.channels.remove(name);
        }
        Some(member)
    }

    /// Returns the members that are shown in a channel.
    pub(crate) fn list(&self, name: &[u8]) -> ChannelAnswer {
        let shown = self.channels.get(name).into_iter();
        let members: Vec<_> = shown
            .flat_map(|shown| &shown.members)
            .map(|(&conn, member)| (conn, member.info.clone()))
            .collect();
        ChannelAnswer::Members(members)
    }

    /// Returns the connections that are shown in a channel.
    pub(crate) fn connections(&self, name: &[u8]) -> Vec<ConnId> {
        let shown = self.channels.get(name);
        shown.map_or_else(Vec::new, |shown| shown.members.keys().copied().collect())
    }

    /// Returns how many are shown in a channel.
    pub(crate) fn occupancy(&self, name: &[u8]) -> ChannelAnswer {
        let count = |counts: fn(&Shown) -> usize| self.channels.get(name).map_or(0, counts) as u64;
        ChannelAnswer::Occupancy {
            clients: count(|shown| shown.members.len()),
            users: count(|shown| shown.users.len()),
        }
    }

    /// Gives memory back that is not needed now.
    pub(crate) fn decay(&mut self) {
        if 4 * self.channels.len() < self.channels.capacity() {
            self.channels.shrink_to_fit();
        }
    }

    /// The sums that are kept, counted anew.
    ///
    /// # Panics
    /// If they differ.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn audit(&self) {
        let (mut owned, mut members) = (0, 0);
        for (name, shown) in &self.channels {
            assert!(!shown.members.is_empty());
            owned += name.len() + shown.memory();
            owned += shown
                .members
                .values()
                .map(ShownMember::memory)
                .sum::<usize>();
            members += shown.members.len();
            let connections: u32 = shown.users.values().sum();
            assert_eq!(connections as usize, shown.members.len());
        }
        assert_eq!((owned, members), (self.owned, self.members), "presence");
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use super::*;
    use crate::channels::subscription::MemberInfo;
    use crate::id::ShardId;

    fn member(user: &'static str) -> ShownMember {
        ShownMember {
            info: Arc::new(MemberInfo {
                user: user.into(),
                info: Bytes::from_static(b"{}"),
            }),
            announced: None,
        }
    }

    #[test]
    fn a_channel_shows_connections_and_counts_their_users_once() {
        let mut presence = Presence::new(7);
        let conn = |slot| ConnId::new(ShardId(0), slot, 1);
        let counts = |presence: &Presence, name: &str| match presence.occupancy(name.as_bytes()) {
            ChannelAnswer::Occupancy { clients, users } => (clients, users),
            other => panic!("{other:?}"),
        };
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        assert_eq!(counts(&presence, "a"), (0, 0));
        for (slot, user) in [(1, "ann"), (2, "ann"), (3, "bob")] {
            presence.insert(&a, conn(slot), member(user));
        }
        presence.insert(&b, conn(1), member("ann"));
        assert_eq!(counts(&presence, "a"), (3, 2));
        assert_eq!(counts(&presence, "b"), (1, 1));
        // The same connection again counts once, as the user that it is now.
        presence.insert(&a, conn(2), member("bob"));
        assert_eq!(counts(&presence, "a"), (3, 2));
        presence.audit();
        assert_eq!(presence.members(), 4);
        let gone = presence
            .remove(b"a", conn(1))
            .map(|member| member.info.user.clone());
        assert_eq!(gone.as_deref(), Some(&b"ann"[..]));
        assert!(presence.remove(b"a", conn(1)).is_none());
        assert_eq!(counts(&presence, "a"), (2, 1));
        for (name, slot) in [("a", 2), ("a", 3), ("b", 1)] {
            presence.remove(name.as_bytes(), conn(slot));
            presence.audit();
        }
        presence.decay();
        assert_eq!((presence.members(), presence.memory()), (0, 0));
    }
}
