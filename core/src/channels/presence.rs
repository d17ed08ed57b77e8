//! Presence: the members of the channels that a shard owns, as far as they are shown to others.

use alloc::boxed::Box;
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

/// Who is shown in one channel: at least one member.
#[derive(Debug)]
enum Shown {
    /// Most channels have one member, if there are many of them.
    One(ConnId, ShownMember),
    Many(Box<Crowd>),
}

/// Several members of a channel.
#[derive(Debug)]
struct Crowd {
    members: HashMap<ConnId, ShownMember, FixedState>,
    /// How many connections a user has, by the hash of the user.
    users: HashMap<u64, u32, FixedState>,
}

impl Shown {
    /// Returns the bytes of memory, without those of the members.
    fn memory(&self) -> usize {
        match self {
            Self::One(..) => 0,
            Self::Many(crowd) => {
                let tables = crowd.members.allocation_size() + crowd.users.allocation_size();
                size_of::<Crowd>() + tables
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (ConnId, &ShownMember)> {
        let (one, many) = match self {
            Self::One(conn, member) => (Some((*conn, member)), None),
            Self::Many(crowd) => (None, Some(&crowd.members)),
        };
        let many = many.into_iter().flatten();
        one.into_iter()
            .chain(many.map(|(conn, member)| (*conn, member)))
    }

    fn members(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(crowd) => crowd.members.len(),
        }
    }

    fn users(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(crowd) => crowd.users.len(),
        }
    }

    fn contains(&self, conn: ConnId) -> bool {
        match self {
            Self::One(other, _) => *other == conn,
            Self::Many(crowd) => crowd.members.contains_key(&conn),
        }
    }

    /// Adds a member that is not shown.
    fn insert(&mut self, conn: ConnId, member: ShownMember, hash: &FixedState) {
        let crowd = match self {
            Self::Many(crowd) => crowd,
            Self::One(other, shown) => {
                let mut crowd = Crowd {
                    members: HashMap::with_hasher(hash.clone()),
                    users: HashMap::with_hasher(hash.clone()),
                };
                crowd.insert(*other, shown.clone(), hash);
                *self = Self::Many(Box::new(crowd));
                return self.insert(conn, member, hash);
            }
        };
        crowd.insert(conn, member, hash);
    }

    /// Takes out one of several members.
    fn remove(&mut self, conn: ConnId, hash: &FixedState) -> Option<ShownMember> {
        let Self::Many(crowd) = self else {
            return None;
        };
        let removed = crowd.remove(conn, hash);
        if crowd.members.len() == 1 {
            let last = crowd.members.drain().next();
            if let Some((conn, member)) = last {
                *self = Self::One(conn, member);
            }
        }
        removed
    }
}

impl Crowd {
    fn insert(&mut self, conn: ConnId, member: ShownMember, hash: &FixedState) {
        let user = hash.hash_one(&member.info.user);
        *self.users.entry(user).or_default() += 1;
        self.members.insert(conn, member);
    }

    fn remove(&mut self, conn: ConnId, hash: &FixedState) -> Option<ShownMember> {
        let member = self.members.remove(&conn)?;
        let user = hash.hash_one(&member.info.user);
        if let Entry::Occupied(mut connections) = self.users.entry(user) {
            *connections.get_mut() -= 1;
            if *connections.get() == 0 {
                connections.remove();
            }
        }
        if 4 * self.members.len() < self.members.capacity() {
            self.members.shrink_to_fit();
            self.users.shrink_to_fit();
        }
        Some(member)
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
        self.owned += member.memory();
        self.members += 1;
        match self.channels.entry(name.clone()) {
            Entry::Occupied(mut shown) => {
                let shown = shown.get_mut();
                let before = shown.memory();
                shown.insert(conn, member, &self.hash);
                self.owned = self.owned - before + shown.memory();
            }
            Entry::Vacant(new) => {
                self.owned += name.len();
                new.insert(Shown::One(conn, member));
            }
        }
    }

    /// Shows a connection no more. Returns what was shown of it.
    pub(crate) fn remove(&mut self, name: &[u8], conn: ConnId) -> Option<ShownMember> {
        let shown = self.channels.get_mut(name)?;
        if !shown.contains(conn) {
            return None;
        }
        let before = shown.memory();
        let removed = match shown.remove(conn, &self.hash) {
            Some(member) => {
                self.owned = self.owned - before + shown.memory();
                member
            }
            None => match self.channels.remove(name)? {
                Shown::One(_, member) => {
                    self.owned -= name.len();
                    member
                }
                Shown::Many(_) => return None,
            },
        };
        self.owned -= removed.memory();
        self.members -= 1;
        Some(removed)
    }

    /// Returns the members that are shown in a channel.
    pub(crate) fn list(&self, name: &[u8]) -> ChannelAnswer {
        let shown = self.channels.get(name).into_iter().flat_map(Shown::iter);
        let members: Vec<_> = shown
            .map(|(conn, member)| (conn, member.info.clone()))
            .collect();
        ChannelAnswer::Members(members)
    }

    /// Returns the connections that are shown in a channel.
    pub(crate) fn connections(&self, name: &[u8]) -> Vec<ConnId> {
        let shown = self.channels.get(name).into_iter().flat_map(Shown::iter);
        shown.map(|(conn, _)| conn).collect()
    }

    /// Returns how many are shown in a channel.
    pub(crate) fn occupancy(&self, name: &[u8]) -> ChannelAnswer {
        let count = |counts: fn(&Shown) -> usize| self.channels.get(name).map_or(0, counts) as u64;
        ChannelAnswer::Occupancy {
            clients: count(Shown::members),
            users: count(Shown::users),
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
            owned += name.len() + shown.memory();
            owned += shown
                .iter()
                .map(|(_, member)| member.memory())
                .sum::<usize>();
            members += shown.members();
            if let Shown::Many(crowd) = shown {
                assert!(crowd.members.len() > 1);
                let connections: u32 = crowd.users.values().sum();
                assert_eq!(connections as usize, crowd.members.len());
            }
        }
        assert_eq!((owned, members), (self.owned, self.members), "presence");
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::sync::Arc;

    use proptest::collection;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn it_shows_what_a_naive_list_has(
            steps in collection::vec((0..5_u32, 0..3_usize, any::<bool>()), 0..60)
        ) {
            let mut presence = Presence::new(7);
            let name = Bytes::from_static(b"a");
            let mut list: BTreeMap<u32, &str> = BTreeMap::new();
            for (slot, user, inserts) in steps {
                let (conn, user) = (ConnId::new(ShardId(0), slot, 1), ["ann", "bob", "cleo"][user]);
                if inserts {
                    presence.insert(&name, conn, member(user));
                    list.insert(slot, user);
                } else {
                    let removed = presence.remove(&name, conn).map(|member| member.info.user.clone());
                    let expected = list.remove(&slot).map(str::as_bytes);
                    prop_assert_eq!(removed.as_deref(), expected);
                }
                presence.audit();
                let ChannelAnswer::Members(mut members) = presence.list(&name) else {
                    panic!("a list");
                };
                members.sort_by_key(|(conn, _)| conn.slot());
                let members = members.iter().map(|(conn, info)| (conn.slot(), &*info.user));
                prop_assert!(members.eq(list.iter().map(|(slot, user)| (*slot as usize, user.as_bytes()))));
                let users: BTreeSet<_> = list.values().collect();
                let ChannelAnswer::Occupancy { clients, users: counted } = presence.occupancy(&name) else {
                    panic!("a count");
                };
                prop_assert_eq!((clients, counted), (list.len() as u64, users.len() as u64));
                prop_assert_eq!(presence.members(), list.len());
            }
        }
    }
}
