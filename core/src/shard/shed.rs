//! Owns what is dropped when memory runs short: of those whose sockets take nothing, the least
//! urgent, the oldest first. They are looked at some at a time, however many there are.

use alloc::collections::VecDeque;

use super::engine::Engine;
use super::memory::shrink;
use crate::frame::Rank;
use crate::handler::Handler;
use crate::queue::DropReason;

/// Those whose sockets took less than they were offered, and how far has been come with them.
#[derive(Debug, Default)]
pub(super) struct Shedding {
    /// Their slots, each once; some may have caught up since.
    laggards: VecDeque<u32>,
    round: Option<Round>,
}

/// One look at each of them. What is shared by many is gone only once all have dropped it; so
/// they do that together.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// What is dropped: of this rank or a less urgent one.
    from: Rank,
    /// How many of them are still to be looked at.
    left: usize,
    /// The least urgent rank that was left: the next round begins with that.
    least: Option<Rank>,
}

impl Round {
    /// The next after one that has left this, or the first, which only looks.
    const fn new(from: Rank, laggards: usize) -> Self {
        Self {
            from,
            left: laggards,
            least: None,
        }
    }
}

impl Shedding {
    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.laggards.capacity() * size_of::<u32>()
    }

    /// Gives memory back that is much more than so many connections need.
    pub(super) fn shrink(&mut self, connections: usize) {
        shrink(&mut self.laggards, connections);
    }
}

impl<H: Handler> Engine<H> {
    /// Takes note that a connection's socket takes nothing for now.
    #[inline]
    pub(super) fn note_laggard(&mut self, at: u32) {
        if self.has_budget() && !self.slots[at].flags.lags {
            self.slots[at].flags.lags = true;
            self.shedding.laggards.push_back(at);
        }
    }

    /// Whether memory is to be got back in the next turn.
    pub(super) const fn has_round(&self) -> bool {
        self.shedding.round.is_some()
    }

    /// Drops some of what waits for those whose sockets take nothing, until no more than `most`
    /// is charged; what will be written in this turn is not dropped. Goes on in the next turn if
    /// there is more to be looked at than is done in one.
    #[cold]
    pub(super) fn shed_slice(&mut self, most: usize) {
        let laggards = self.shedding.laggards.len();
        let first = Round::new(Rank::LAST, laggards);
        let mut round = self.shedding.round.take().unwrap_or(first);
        let mut left = self.config.fan_out_slice;
        while self.charged() - self.store.spare_bytes() > most {
            if round.left == 0 {
                let Some(least) = round.least else {
                    return; // Nothing is left.
                };
                round = Round::new(least, self.shedding.laggards.len());
            }
            if left == 0 {
                self.shedding.round = Some(round);
                return;
            }
            round.left -= 1;
            left = left.saturating_sub(1 + self.shed_next(&mut round));
        }
    }

    /// Looks at the next of them. Says how many messages it has dropped.
    fn shed_next(&mut self, round: &mut Round) -> usize {
        let Some(at) = self.next_laggard() else {
            return 0;
        };
        let rank = |engine: &Self| engine.slots[at].queue.least_urgent_rank(&engine.nodes);
        let mut dropped = 0;
        if !self.slots[at].flags.offered && rank(self) >= Some(round.from) {
            dropped = self.shed(at);
        }
        if !self.slots[at].flags.offered {
            round.least = round.least.max(rank(self));
        }
        dropped
    }

    /// The one that was looked at the longest ago, or none if it is no laggard any more.
    fn next_laggard(&mut self) -> Option<u32> {
        let at = self.shedding.laggards.pop_front()?;
        // Its place may have been given back meanwhile.
        if at >= self.slots.len() {
            return None;
        }
        let flags = &mut self.slots[at].flags;
        flags.lags = flags.blocked;
        if flags.lags {
            self.shedding.laggards.push_back(at);
        }
        flags.lags.then_some(at)
    }

    /// Drops a part of the least urgent that waits for a connection, the oldest of it. Says how
    /// many messages that were.
    fn shed(&mut self, at: u32) -> usize {
        let gone = &mut self.gone;
        let queue = &mut self.slots[at].queue;
        queue.shed(&mut self.nodes, &mut self.store, ONE_IN, |frame| {
            gone.push((frame, DropReason::Shed));
        });
        let dropped = self.gone.len();
        self.count_gone(at);
        dropped
    }

    /// Looks at some of those who were laggards, and forgets those who are none any more.
    pub(super) fn forget_some_laggards(&mut self) {
        for _ in 0..self.shedding.laggards.len().min(self.config.fan_out_slice) {
            self.next_laggard();
        }
    }

    /// Forgets all of them, of whom none is connected.
    pub(super) fn forget_laggards(&mut self) {
        while !self.shedding.laggards.is_empty() {
            self.next_laggard();
        }
    }
}

/// How large a part of its least urgent a queue drops at a time.
const ONE_IN: u32 = 16;
