//! Index of the links that have something to do, so that a step does not scan all of them. A link
//! is examined again when something has touched it, or at the time that it asked for.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// What can happen to a link, one bit each.
pub(super) type ReadyBits = u8;

pub(super) const READ: ReadyBits = 1;
pub(super) const EOF: ReadyBits = 1 << 1;
pub(super) const RESET: ReadyBits = 1 << 2;
pub(super) const WRITE: ReadyBits = 1 << 3;
pub(super) const WRITABLE: ReadyBits = 1 << 4;
pub(super) const CLIENT_WRITE: ReadyBits = 1 << 5;
pub(super) const CLIENT_READ: ReadyBits = 1 << 6;
/// What happens to the server's end.
pub(super) const SERVER: ReadyBits = READ | EOF | RESET | WRITE | WRITABLE;
/// What happens to the client's.
pub(super) const CLIENT: ReadyBits = CLIENT_WRITE | CLIENT_READ;

/// No time.
pub(super) const NEVER: u64 = u64::MAX;

/// Where something can happen.
#[derive(Debug)]
pub(super) struct Ready {
    entries: Vec<ReadyEntry>,
    /// For each shard, its links to whose server's end something can happen;
    /// and last, those to whose client's end something can.
    pools: Vec<Vec<u32>>,
    touched: Vec<usize>,
    alarms: BinaryHeap<Reverse<(u64, usize)>>,
}

#[derive(Debug)]
struct ReadyEntry {
    shard: usize,
    bits: ReadyBits,
    /// Where it stands in its shard's pool and in that of the clients.
    places: [Option<u32>; 2],
    is_touched: bool,
    /// When it is to be looked at again.
    wake: u64,
}

impl Ready {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            entries: Vec::new(),
            pools: (0..=shards).map(|_| Vec::new()).collect(),
            touched: Vec::new(),
            alarms: BinaryHeap::new(),
        }
    }

    /// One more link, of this shard.
    pub(super) fn add(&mut self, shard: usize) {
        self.entries.push(ReadyEntry {
            shard,
            bits: 0,
            places: [None; 2],
            is_touched: false,
            wake: NEVER,
        });
        self.touch(self.entries.len() - 1);
    }

    /// Something about this link may have changed.
    pub(super) fn touch(&mut self, at: usize) {
        if !core::mem::replace(&mut self.entries[at].is_touched, true) {
            self.touched.push(at);
        }
    }

    /// Returns a link that is to be looked at.
    pub(super) fn pop_touched(&mut self) -> Option<usize> {
        let at = self.touched.pop()?;
        self.entries[at].is_touched = false;
        Some(at)
    }

    /// Touches the links whose time has come.
    pub(super) fn ring(&mut self, now: u64) {
        while let Some(&Reverse((due, at))) = self.alarms.peek()
            && due <= now
        {
            self.alarms.pop();
            if self.entries[at].wake == due {
                self.entries[at].wake = NEVER;
                self.touch(at);
            }
        }
    }

    /// Returns when the next time comes.
    pub(super) fn next(&mut self) -> Option<u64> {
        while let Some(&Reverse((due, at))) = self.alarms.peek() {
            if self.entries[at].wake == due {
                return Some(due);
            }
            self.alarms.pop();
        }
        None
    }

    /// What can happen to a link now, and when to look again at the latest.
    pub(super) fn set(&mut self, at: usize, bits: ReadyBits, wake: u64) {
        let entry = &mut self.entries[at];
        entry.bits = bits;
        if entry.wake != wake {
            entry.wake = wake;
            if wake != NEVER {
                self.alarms.push(Reverse((wake, at)));
            }
        }
        let clients = self.pools.len() - 1;
        for (end, pool, mask) in [(0, entry.shard, SERVER), (1, clients, CLIENT)] {
            self.place(at, end, pool, bits & mask != 0);
        }
    }

    fn place(&mut self, at: usize, end: usize, pool: usize, belongs: bool) {
        let (entries, pool) = (&mut self.entries, &mut self.pools[pool]);
        match (entries[at].places[end], belongs) {
            (None, true) => {
                entries[at].places[end] = Some(pool.len() as u32);
                pool.push(at as u32);
            }
            (Some(place), false) => {
                entries[at].places[end] = None;
                pool.swap_remove(place as usize);
                if let Some(&moved) = pool.get(place as usize) {
                    entries[moved as usize].places[end] = Some(place);
                }
            }
            _ => {}
        }
    }

    pub(super) fn bits(&self, at: usize) -> ReadyBits {
        self.entries[at].bits
    }

    /// Returns the links of a shard to whose server's end something can happen.
    pub(super) fn of_shard(&self, shard: usize) -> &[u32] {
        &self.pools[shard]
    }

    /// Returns the links to whose client's end something can happen.
    pub(super) fn of_clients(&self) -> &[u32] {
        &self.pools[self.pools.len() - 1]
    }
}
