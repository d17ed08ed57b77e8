//! Credits for publications under way from this shard to each owner shard, the connections that
//! wait for a credit, and the epochs of all shards. Epochs identify credits that were taken before
//! a restart.

use alloc::vec::Vec;

use crate::channels::message::{CreditHolder, Epochs};
use crate::channels::waiters::Waiters;
use crate::config::Config;
use crate::id::{ConnId, ShardId};

/// What one shard has under way to others, and to itself as an owner.
#[derive(Debug)]
pub(crate) struct Credits {
    own: ShardId,
    max_messages: usize,
    max_bytes: usize,
    /// By owner shard.
    owners: Vec<Credit>,
    /// Messages under way, and their bytes, added up.
    under_way: (usize, usize),
    /// How often each shard has been restarted, as far as is known here.
    epochs: Vec<u32>,
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
    pub(crate) fn new(own: ShardId, config: &Config) -> Self {
        Self {
            own,
            max_messages: config.credit_messages,
            max_bytes: config.credit_bytes,
            owners: (0..config.shards).map(|_| Credit::default()).collect(),
            under_way: (0, 0),
            epochs: alloc::vec![0; config.shards.into()],
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

    /// Returns this connection as the holder of a credit that it has taken now.
    pub(crate) fn holder(&self, conn: ConnId, owner: ShardId) -> CreditHolder {
        CreditHolder {
            conn,
            epochs: self.epochs_with(owner),
        }
    }

    /// Gives a credit back. Does nothing for one that was reset because a shard was restarted.
    /// Returns whether there is one credit more.
    pub(crate) fn give_back(&mut self, owner: ShardId, epochs: Epochs, bytes: usize) -> bool {
        if epochs != self.epochs_with(owner) {
            return false;
        }
        let credit = &mut self.owners[owner.index()];
        let (messages, bytes) = (credit.messages.min(1), credit.bytes.min(bytes));
        credit.messages -= messages;
        credit.bytes -= bytes;
        self.under_way.0 -= messages;
        self.under_way.1 -= bytes;
        true
    }

    /// Takes note that a shard has been restarted: nothing is under way to it any more.
    pub(crate) fn reset(&mut self, owner: ShardId, epoch: u32) {
        self.epochs[owner.index()] = epoch;
        let credit = &mut self.owners[owner.index()];
        self.under_way.0 -= core::mem::take(&mut credit.messages);
        self.under_way.1 -= core::mem::take(&mut credit.bytes);
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

    /// Returns how often this shard has been restarted.
    pub(crate) fn own_epoch(&self) -> u32 {
        self.epoch(self.own)
    }

    /// Returns how often a shard has been restarted, as far as is known here.
    pub(crate) fn epoch(&self, shard: ShardId) -> u32 {
        self.epochs[shard.index()]
    }

    /// Takes over the epochs of the failed shard whose place this one takes, and begins one of
    /// its own. Returns that.
    pub(crate) fn succeed(&mut self, failed: Self) -> u32 {
        self.waits = failed.waits;
        self.epochs = failed.epochs;
        let epoch = &mut self.epochs[self.own.index()];
        *epoch = epoch.wrapping_add(1);
        *epoch
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

    fn epochs_with(&self, owner: ShardId) -> Epochs {
        Epochs {
            own: self.own_epoch(),
            owner: self.epoch(owner),
        }
    }

    /// Asserts that limits and sums hold. `is_waiting` tells whether a connection waits.
    #[cfg(feature = "testing")]
    pub(crate) fn audit(&self, is_waiting: impl Fn(ConnId) -> bool) {
        let (mut messages, mut bytes) = (0, 0);
        for (owner, credit) in self.owners.iter().enumerate() {
            let within = credit.messages <= self.max_messages;
            assert!(within, "shard {}: credits to {owner}", self.own.0);
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
