//! Connections of a shard by user and by client id. Users are known by a hash of their name, so whoever
//! looks for one has to compare the name.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use stentor_core::ConnId;

/// The connected clients of a shard.
#[derive(Debug, Default)]
pub(crate) struct Users {
    by_client: HashMap<u64, ConnId, FixedState>,
    by_user: HashMap<u64, Connections, FixedState>,
}

/// The connections of a user. Most users have one.
#[derive(Debug)]
enum Connections {
    One(ConnId),
    Many(Box<HashSet<ConnId, FixedState>>),
}

impl Users {
    /// Adds a connection of a user.
    pub(crate) fn insert(&mut self, user: &str, client: u64, conn: ConnId) {
        self.by_client.insert(client, conn);
        let user = self.by_user.entry(hash_of(user));
        let connections = user.or_insert(Connections::One(conn));
        match connections {
            Connections::One(one) if *one == conn => {}
            Connections::One(one) => {
                let both = [*one, conn].into_iter().collect();
                *connections = Connections::Many(Box::new(both));
            }
            Connections::Many(many) => {
                many.insert(conn);
            }
        }
    }

    /// Removes a connection, if it is there.
    pub(crate) fn remove(&mut self, user: &str, client: u64) {
        let Some(conn) = self.by_client.remove(&client) else {
            return;
        };
        let user = hash_of(user);
        let is_last = match self.by_user.get_mut(&user) {
            Some(Connections::Many(many)) => {
                many.remove(&conn);
                many.is_empty()
            }
            _ => true,
        };
        if is_last {
            self.by_user.remove(&user);
        }
        give_back(&mut self.by_client);
        give_back(&mut self.by_user);
    }

    /// Returns the connections of this user, and perhaps of others with the same hash.
    pub(crate) fn of_user(&self, user: &str) -> Vec<ConnId> {
        match self.by_user.get(&hash_of(user)) {
            None => Vec::new(),
            Some(Connections::One(one)) => Vec::from([*one]),
            Some(Connections::Many(many)) => many.iter().copied().collect(),
        }
    }

    /// Returns the connection with this client id.
    pub(crate) fn of_client(&self, client: u64) -> Option<ConnId> {
        self.by_client.get(&client).copied()
    }

    /// Returns all connections.
    pub(crate) fn all(&self) -> Vec<ConnId> {
        self.by_client.values().copied().collect()
    }

    /// Returns the number of connections.
    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Returns a number for each user.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.by_user.keys().copied()
    }
}

/// The same on every shard.
fn hash_of(user: &str) -> u64 {
    FixedState::default().hash_one(user)
}

/// Gives memory back if three quarters of it are not needed.
pub(crate) fn give_back<K: Eq + Hash, T>(map: &mut HashMap<K, T, FixedState>) {
    const SMALL: usize = 64;
    if map.capacity() > SMALL && map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::string::String;

    use proptest::prelude::*;
    use stentor_core::shard::Admission;
    use stentor_core::{Config, Echo, Shard, ShardId, Timestamp};

    use super::*;

    /// Names of as many connections.
    fn connections(count: usize) -> Vec<ConnId> {
        let config = Config::builder().build().expect("the defaults");
        let mut shard = Shard::new(ShardId(0), &config, Echo);
        (0..count)
            .map(|_| shard.accept(Timestamp::ORIGIN, Admission::Normal))
            .collect()
    }

    proptest! {
        #[test]
        fn connections_are_found_until_they_are_removed(
            steps in proptest::collection::vec((0..12_usize, 0..4_usize, any::<bool>()), 0..60)
        ) {
            let names = connections(12);
            let mut users = Users::default();
            let mut model: BTreeMap<u64, (String, ConnId)> = BTreeMap::new();
            for (place, user, inserts) in steps {
                let client = place as u64;
                let user = alloc::format!("user {user}");
                if inserts && !model.contains_key(&client) {
                    users.insert(&user, client, names[place]);
                    model.insert(client, (user, names[place]));
                } else if let Some((user, _)) = model.remove(&client) {
                    users.remove(&user, client);
                }
                prop_assert_eq!(users.len(), model.len());
                for user in 0..4 {
                    let user = alloc::format!("user {user}");
                    let mut found = users.of_user(&user);
                    found.sort_by_key(|conn| conn.slot());
                    let of_user = model.values().filter(|(other, _)| *other == user);
                    let mut expected: Vec<_> = of_user.map(|(_, conn)| *conn).collect();
                    expected.sort_by_key(|conn| conn.slot());
                    prop_assert_eq!(found, expected);
                }
                for client in 0..12 {
                    let expected = model.get(&client).map(|(_, conn)| *conn);
                    prop_assert_eq!(users.of_client(client), expected);
                }
                let mut known: Vec<_> = model.values().map(|(user, _)| user).collect();
                known.sort();
                known.dedup();
                prop_assert_eq!(users.hashes().count(), known.len());
            }
        }
    }
}
