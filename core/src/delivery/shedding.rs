//! Shedding: dropping of messages that are queued for blocked connections when memory is short.
//!
//! The least urgent messages go first, of these the oldest. A turn visits a bounded number of
//! connections, however many are blocked.

use alloc::collections::VecDeque;

use crate::delivery::frame::Rank;
use crate::delivery::queue::DropReason;
use crate::delivery::{Outbound, shrink};

/// The blocked connections, and the progress of shedding.
#[derive(Debug, Default)]
pub(super) struct Shedding {
    /// Slots that became blocked, each once; some may have caught up since.
    blocked: VecDeque<u32>,
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
    const fn new(from: Rank, connections: usize) -> Self {
        Self {
            from,
            left: connections,
            least: None,
        }
    }
}

impl Shedding {
    /// Returns the bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        self.blocked.capacity() * size_of::<u32>()
    }

    /// Shrinks the line to the number of connections.
    pub(super) fn shrink(&mut self, connections: usize) {
        shrink(&mut self.blocked, connections);
    }
}

impl Outbound {
    /// Adds a connection that has become blocked.
    #[inline]
    pub(super) fn add_to_shedding_list(&mut self, at: u32) {
        if self.settings.has_budget && !self.conns[at].in_shedding_list {
            self.conns[at].in_shedding_list = true;
            self.shedding.blocked.push_back(at);
        }
    }

    /// Returns whether a round is unfinished; [`shed_slice`](Self::shed_slice) continues it.
    pub(crate) const fn is_shedding(&self) -> bool {
        self.shedding.round.is_some()
    }

    /// Drops queued messages of blocked connections until it takes at most `most` bytes of memory. What
    /// was offered to the adapter is not dropped. Visits at most
    /// [`fan_out_slice`](crate::Config::fan_out_slice) connections, and less if it drops much.
    #[cold]
    pub(crate) fn shed_slice(&mut self, most: usize) {
        let connections = self.shedding.blocked.len();
        let first = Round::new(Rank::LAST, connections);
        let mut round = self.shedding.round.take().unwrap_or(first);
        let mut left = self.settings.slice;
        while self.memory() - self.store.spare_bytes() > most {
            if round.left == 0 {
                let Some(least) = round.least else {
                    return; // Nothing droppable is left.
                };
                round = Round::new(least, self.shedding.blocked.len());
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
        let Some(at) = self.next_blocked() else {
            return 0;
        };
        let rank = |out: &Self| out.conns[at].queue.least_urgent_rank(&out.nodes);
        let mut dropped = 0;
        if !self.conns[at].offered && rank(self) >= Some(round.from) {
            dropped = self.shed(at);
        }
        if !self.conns[at].offered {
            round.least = round.least.max(rank(self));
        }
        dropped
    }

    /// Returns the connection visited longest ago, or `None` if it is not blocked any more.
    fn next_blocked(&mut self) -> Option<u32> {
        let at = self.shedding.blocked.pop_front()?;
        // Its place may have been given back meanwhile.
        if at >= self.conns.len() {
            return None;
        }
        let conn = &mut self.conns[at];
        conn.in_shedding_list = conn.stop.is_blocked();
        if conn.in_shedding_list {
            self.shedding.blocked.push_back(at);
        }
        conn.in_shedding_list.then_some(at)
    }

    /// Drops the oldest part of the least urgent messages of a connection. Returns the number of
    /// messages dropped.
    fn shed(&mut self, at: u32) -> usize {
        let dropped = &mut self.dropped;
        let queue = &mut self.conns[at].queue;
        queue.shed(&mut self.nodes, &mut self.store, ONE_IN, |frame| {
            dropped.push((frame, DropReason::Shed));
        });
        let count = self.dropped.len();
        self.count_dropped(at);
        count
    }

    /// Visits some of the connections, and removes those that are not blocked any more.
    pub(crate) fn forget_some_unblocked(&mut self) {
        for _ in 0..self.shedding.blocked.len().min(self.settings.slice) {
            self.next_blocked();
        }
    }

    /// Removes all of them when no connection is left.
    pub(crate) fn forget_unblocked(&mut self) {
        while !self.shedding.blocked.is_empty() {
            self.next_blocked();
        }
    }
}

/// Fraction of its least urgent messages that a queue drops at a time, as a divisor.
const ONE_IN: u32 = 16;
