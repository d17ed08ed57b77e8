//! Owns the memory budget of a shard: what is charged to it, who is turned
//! away when it runs short, and what goes when it does not suffice. What the
//! kernel keeps for sockets is not charged.

use alloc::vec::Vec;

use super::engine::{Engine, SCRATCH};
use super::ledger::Ending;
use super::slot::Phase;
use crate::CloseCode;
use crate::handler::Handler;
use crate::queue::Fate;
use crate::stats::CloseCause;

/// How much memory a shard may take, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    share: usize,
    /// Up to here it was tried in vain to get back to the share.
    tolerated: usize,
}

impl Budget {
    /// An even part of what a server of so many shards may take; 0 is without end.
    pub(super) const fn new(all: usize, shards: u16) -> Self {
        let share = match all {
            0 => usize::MAX,
            all => all / shards as usize,
        };
        Self {
            share,
            tolerated: share,
        }
    }

    /// From here on nobody more is let in.
    const fn full(self) -> usize {
        self.share - self.share / 8
    }

    /// Down to here waiting data is dropped once there is too much of it, so that it
    /// need not be looked for with each message. Still [full](Self::full).
    const fn relieved(self) -> usize {
        self.share - self.share / 16
    }

    /// What messages that have not come to their end may take.
    const fn for_input(self) -> usize {
        self.share / 2
    }
}

impl<H: Handler> Engine<H> {
    /// Gets back to the budget, after something was taken in.
    #[inline]
    pub(super) fn keep_within_budget(&mut self) {
        if self.budget.share == usize::MAX {
            return;
        }
        if self.charged() > self.budget.share {
            self.economize();
        } else {
            // What was in vain then may help the next time.
            self.budget.tolerated = self.budget.share;
        }
    }

    /// Bytes of memory charged, as allocated: slots, queue entries, runs and large
    /// frames, bytes of messages and requests that have not come to their end, publications
    /// that are not queued for all members yet,
    /// contexts of compression, and whatever is kept for the next to need it.
    #[inline]
    pub(super) fn charged(&self) -> usize {
        SCRATCH
            + self.slots.memory()
            + self.nodes.memory()
            + self.store.memory() as usize
            + self.workspace.memory()
            + self.context_bytes
            + self.fan_outs.memory()
    }

    /// Whether there is no memory for one connection more, even without what is
    /// only kept for others to come.
    pub(super) fn is_short_of_memory(&mut self) -> bool {
        if self.charged() > self.budget.full() {
            self.trim();
        }
        self.charged() > self.budget.full()
    }

    /// Drops what is only kept for others to come; then, of what waits for those
    /// whose sockets take nothing, the least urgent, the oldest first. What will be
    /// written in this turn is not dropped.
    #[cold]
    fn economize(&mut self) {
        let budget = self.budget;
        if self.charged() <= budget.tolerated {
            return;
        }
        self.trim();
        if self.charged() > budget.relieved() {
            self.shed_down_to(budget.relieved());
            self.trim();
        }
        // Where that is not enough, it is not tried again before there is more to drop.
        let charged = self.charged();
        self.budget.tolerated = if charged > budget.share {
            charged + budget.share / 32
        } else {
            budget.share
        };
    }

    fn trim(&mut self) {
        self.store.trim();
        self.workspace.buffers.trim();
    }

    /// Drops a part of the oldest of the least urgent of everyone who takes nothing,
    /// and so on. What is shared by many is gone only once all have dropped it; so
    /// they do that together.
    fn shed_down_to(&mut self, most: usize) {
        let laggards = self.slots.iter().filter_map(|(at, slot)| {
            let waits = slot.flags.blocked && !slot.flags.offered;
            waits.then_some(at)
        });
        let mut laggards: Vec<u32> = laggards.collect();
        let ranks =
            |engine: &Self, at: u32| engine.slots[at].queue.least_urgent_rank(&engine.nodes);
        while self.charged() - self.store.spare_bytes() > most {
            laggards.retain(|&at| ranks(self, at).is_some());
            let Some(rank) = laggards.iter().filter_map(|&at| ranks(self, at)).max() else {
                return;
            };
            for &at in &laggards {
                if ranks(self, at) == Some(rank) {
                    self.shed(at);
                }
            }
        }
    }

    fn shed(&mut self, at: u32) {
        let gone = &mut self.gone;
        let queue = &mut self.slots[at].queue;
        queue.shed(&mut self.nodes, &mut self.store, ONE_IN, |frame| {
            gone.push((frame, Fate::Shed));
        });
        self.count_gone(at);
    }

    /// Closes a connection that sends more than there is memory for: by then half
    /// the budget is taken by messages that have not come to their end, of which
    /// this one has a part and wants more.
    pub(super) fn check_input(&mut self, at: u32) {
        if self.workspace.buffers.lent_bytes() <= self.budget.for_input() {
            return;
        }
        let slot = &mut self.slots[at];
        let held = slot.conn.held_bytes() + slot.pending.as_ref().map_or(0, |p| p.carry.capacity());
        if slot.phase != Phase::Open || held <= SMALL {
            return;
        }
        slot.conn.handle_failure(&mut self.workspace);
        if slot.flags.blocked {
            self.discard(at, true);
        }
        let code = Some(CloseCode::TRY_LATER);
        self.push_close(at, code, "out of memory");
        self.end(at, Ending::with_code(CloseCause::Memory, code));
    }
}

/// How large a part of its least urgent a queue drops at a time.
const ONE_IN: u32 = 16;
/// Whoever holds no more than this is not what memory runs short of, in bytes.
pub(super) const SMALL: usize = 4 << 10;
