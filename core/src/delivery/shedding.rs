//! Shedding: owns which queued messages of blocked connections are dropped when memory is short.
//!
//! The least urgent messages go first, of these the oldest. A turn visits a bounded number of
//! connections, however many are blocked.

use alloc::collections::VecDeque;

use crate::app::Handler;
use crate::delivery::frame::Rank;
use crate::delivery::memory_budget::shrink;
use crate::delivery::queue::DropReason;
use crate::shard::engine::Engine;

/// The blocked connections, and the progress of shedding.
#[derive(Debug, Default)]
pub(crate) struct Shedding {
    /// Slots that became blocked, each once; some may have caught up since.
    laggards: VecDeque<u32>,
    round: Option<Round>,
}

/// One visit to each blocked connection. A shared message is freed only when all of them have
/// dropped it, so each drops a part in every round.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Messages of this rank and of less urgent ones are dropped.
    from: Rank,
    /// Number of connections that are still to be visited.
    left: usize,
    /// The least urgent rank that remains; the next round begins with it.
    least: Option<Rank>,
}

impl Round {
    /// Begins a round. The first one, with [`Rank::LAST`], drops nothing and finds the rank.
    const fn new(from: Rank, laggards: usize) -> Self {
        Self {
            from,
            left: laggards,
            least: None,
        }
    }
}

impl Shedding {
    /// Returns the bytes of memory that it takes.
    pub(crate) fn memory(&self) -> usize {
        self.laggards.capacity() * size_of::<u32>()
    }

    /// Shrinks the line to the number of connections.
    pub(crate) fn shrink(&mut self, connections: usize) {
        shrink(&mut self.laggards, connections);
    }
}

impl<H: Handler> Engine<H> {
    /// Adds a connection that has become blocked.
    #[inline]
    pub(crate) fn note_laggard(&mut self, at: u32) {
        if self.has_budget() && !self.slots[at].flags.lags {
            self.slots[at].flags.lags = true;
            self.shedding.laggards.push_back(at);
        }
    }

    /// Returns whether a round is unfinished; [`reclaim`](Self::reclaim) continues it.
    pub(crate) const fn has_round(&self) -> bool {
        self.shedding.round.is_some()
    }

    /// Drops queued messages of blocked connections until at most `most` bytes are charged. What
    /// was offered to the adapter is not dropped. Visits at most
    /// [`fan_out_slice`](crate::Config::fan_out_slice) connections, and less if it drops much.
    #[cold]
    pub(crate) fn shed_slice(&mut self, most: usize) {
        let laggards = self.shedding.laggards.len();
        let first = Round::new(Rank::LAST, laggards);
        let mut round = self.shedding.round.take().unwrap_or(first);
        let mut left = self.config.fan_out_slice;
        while self.charged() - self.store.spare_bytes() > most {
            if round.left == 0 {
                let Some(least) = round.least else {
                    return; // Nothing droppable is left.
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

    /// Visits the next connection. Returns the number of messages dropped.
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

    /// Returns the connection visited longest ago, or `None` if it is not blocked any more.
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

    /// Drops the oldest part of the least urgent messages of a connection. Returns the number of
    /// messages dropped.
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

    /// Visits some of the connections, and removes those that are not blocked any more.
    pub(crate) fn forget_some_laggards(&mut self) {
        for _ in 0..self.shedding.laggards.len().min(self.config.fan_out_slice) {
            self.next_laggard();
        }
    }

    /// Removes all of them when no connection is left.
    pub(crate) fn forget_laggards(&mut self) {
        while !self.shedding.laggards.is_empty() {
            self.next_laggard();
        }
    }
}

/// Fraction of its least urgent messages that a queue drops at a time, as a divisor.
const ONE_IN: u32 = 16;
