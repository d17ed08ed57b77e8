//! Credits for publications under way from this shard to each owner shard, and the connections
//! that wait for a credit.

use alloc::vec::Vec;

use crate::channels::waiters::Waiters;
use crate::config::Config;
use crate::id::{ConnId, ShardId};

/// What one shard has under way to others, and to itself as an owner.
#[derive(Debug)]
pub(crate) struct Credits {
    max_messages: usize,
    max_bytes: usize,
    /// By owner shard.
    owners: Vec<Credit>,
    /// Messages under way, and their bytes, added up.
    under_way: (usize, usize),
    /// Times that a connection had to wait.
    waits: u64,
}

/// What is under way to one owner, and who waits for it to arrive.
#[derive(Debug, Default)]
struct Credit {
    messages: usize,
    bytes: usize,
    waiters: Waiters,
}

impl Credits {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            max_messages: config.credit_messages,
            max_bytes: config.credit_bytes,
            owners: (0..config.shards).map(|_| Credit::default()).collect(),
            under_way: (0, 0),
            waits: 0,
        }
    }

    /// Takes a credit for a message of this connection, or makes it wait for one. Returns
    /// whether there was one.
    pub(crate) fn take(&mut self, conn: ConnId, owner: ShardId, bytes: usize) -> bool {
        let credit = &mut self.owners[owner.index()];
        let has_room = credit.messages == 0
            || (credit.messages < self.max_messages && credit.bytes + bytes <= self.max_bytes);
        if !has_room || !credit.waiters.is_turn_of(conn) {
            self.waits += u64::from(credit.waiters.line_up(conn));
            return false;
        }
        credit.waiters.leave(conn);
        credit.messages += 1;
        credit.bytes += bytes;
        self.under_way.0 += 1;
        self.under_way.1 += bytes;
        true
    }

    /// Gives a credit back.
    pub(crate) fn give_back(&mut self, owner: ShardId, bytes: usize) {
        let credit = &mut self.owners[owner.index()];
        credit.messages -= 1;
        credit.bytes -= bytes;
        self.under_way.0 -= 1;
        self.under_way.1 -= bytes;
    }

    /// Returns the connection that has waited longest for a credit, and is not woken for it.
    pub(crate) fn first_waiter(&self, owner: ShardId) -> Option<ConnId> {
        self.owners[owner.index()].waiters.first()
    }

    /// Lets a connection wait no longer, if it is the first. Returns whether it was.
    pub(crate) fn stop_waiting(&mut self, owner: ShardId, conn: ConnId) -> bool {
        self.owners[owner.index()].waiters.leave(conn)
    }

    /// Returns whether there is a credit for the first that waits.
    pub(crate) fn is_available(&self, owner: ShardId) -> bool {
        let credit = &self.owners[owner.index()];
        credit.messages == 0
            || (credit.messages < self.max_messages && credit.bytes < self.max_bytes)
    }

    /// Returns the messages under way to all owners, and their bytes.
    pub(crate) const fn under_way(&self) -> (usize, usize) {
        self.under_way
    }

    /// Returns how often a connection had to wait.
    pub(crate) const fn waits(&self) -> u64 {
        self.waits
    }

    /// Returns the bytes of memory of the lists of those who wait.
    pub(crate) fn memory(&self) -> usize {
        self.owners.iter().map(|each| each.waiters.memory()).sum()
    }

    /// Shrinks the lists of those who wait to the number of connections.
    pub(crate) fn shrink(&mut self, connections: usize) {
        for credit in &mut self.owners {
            credit.waiters.shrink(connections);
        }
    }

    /// Asserts that limits and sums hold. `is_waiting` tells whether a connection waits.
    #[cfg(feature = "testing")]
    pub(crate) fn audit(&self, is_waiting: impl Fn(ConnId) -> bool) {
        let (mut messages, mut bytes) = (0, 0);
        for (owner, credit) in self.owners.iter().enumerate() {
            let within = credit.messages <= self.max_messages;
            assert!(within, "credits to {owner}");
            assert!(credit.bytes <= self.max_bytes || credit.messages == 1);
            if let Some(first) = credit.waiters.first().filter(|_| credit.messages == 0) {
                assert!(!is_waiting(first), "nobody wakes the first");
            }
            messages += credit.messages;
            bytes += credit.bytes;
        }
        assert_eq!((messages, bytes), self.under_way);
    }
}
