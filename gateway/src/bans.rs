//! Users and addresses that may not connect for a while.

use alloc::boxed::Box;
use core::hash::Hash;
use core::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The bans of a shard; every shard has all of them.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    users: HashMap<Box<str>, u64, FixedState>,
    addresses: HashMap<IpAddr, u64, FixedState>,
}

impl Bans {
    /// The most bans of users, and of addresses.
    pub(crate) const MAX: usize = 100_000;

    /// Bans a user until then, in seconds of Unix time, or no longer if that has passed. Returns
    /// whether there is room.
    pub(crate) fn set_user(&mut self, user: &str, until: u64, now: u64) -> bool {
        set(&mut self.users, user.into(), until, now)
    }

    /// Bans an address.
    pub(crate) fn set_address(&mut self, address: IpAddr, until: u64, now: u64) -> bool {
        set(&mut self.addresses, address.to_canonical(), until, now)
    }

    /// Returns whether a user is banned.
    pub(crate) fn has_user(&self, user: &str, now: u64) -> bool {
        self.users.get(user).is_some_and(|&until| until > now)
    }

    /// Returns whether an address is banned.
    pub(crate) fn has_address(&self, address: IpAddr, now: u64) -> bool {
        let until = self.addresses.get(&address.to_canonical());
        until.is_some_and(|&until| until > now)
    }
}

fn set<K: Eq + Hash>(bans: &mut HashMap<K, u64, FixedState>, key: K, until: u64, now: u64) -> bool {
    if until <= now {
        bans.remove(&key);
        return true;
    }
    if bans.len() >= Bans::MAX {
        bans.retain(|_, until| *until > now);
    }
    if bans.len() >= Bans::MAX && !bans.contains_key(&key) {
        return false;
    }
    bans.insert(key, until);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends() {
        let mut bans = Bans::default();
        assert!(bans.set_user("42", 100, 10));
        assert!(bans.has_user("42", 99) && !bans.has_user("42", 100) && !bans.has_user("4", 10));
        assert!(bans.set_user("42", 0, 10));
        assert!(!bans.has_user("42", 10));
        let address = IpAddr::from([10, 0, 0, 7]);
        let mapped = "::ffff:10.0.0.7".parse().expect("an address");
        assert!(bans.set_address(mapped, 100, 10));
        assert!(bans.has_address(address, 10) && bans.has_address(mapped, 10));
        assert!(!bans.has_address(address, 100));
    }

    #[test]
    fn there_are_not_more_than_there_may_be() {
        let mut bans = Bans::default();
        for user in 0..Bans::MAX {
            assert!(bans.set_user(&alloc::format!("{user}"), 20, 10));
        }
        assert!(!bans.set_user("one more", 30, 10));
        assert!(bans.set_user("0", 30, 10));
        // Those that have ended make room.
        assert!(bans.set_user("one more", 30, 20));
        assert!(!bans.has_user("1", 19));
    }
}
