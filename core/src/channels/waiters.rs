//! Owns the lines in which connections stand until there is a credit for them: for
//! something that goes to a home, or for one more task. How many credits there are
//! is not its business.

use alloc::collections::VecDeque;

use crate::app::Handler;
use crate::delivery::shrink;
use crate::id::{ConnId, ShardId};
use crate::session::deferred::Wait;
use crate::shard::engine::Engine;

/// Connections, in the order in which they came. Who is first stays so until it has
/// what it waits for, so nobody comes before it. Who has ended stays until it would
/// be first: to look for it would cost as much as the line is long.
#[derive(Debug, Default)]
pub(crate) struct Waiters(VecDeque<ConnId>);

impl Waiters {
    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<ConnId>()
    }

    /// Gives memory back, for there are no more connections than that.
    pub(crate) fn shrink(&mut self, connections: usize) {
        shrink(&mut self.0, connections);
    }

    pub(crate) fn first(&self) -> Option<ConnId> {
        self.0.front().copied()
    }

    /// Whether it may go on, if somebody may.
    pub(crate) fn is_turn_of(&self, conn: ConnId) -> bool {
        self.first().is_none_or(|first| first == conn)
    }

    /// Puts it at the end, unless it is first already; says whether it did.
    pub(crate) fn line_up(&mut self, conn: ConnId) -> bool {
        let is_new = self.first() != Some(conn);
        if is_new {
            self.0.push_back(conn);
        }
        is_new
    }

    /// Lets it leave, if it is first; says whether it was.
    pub(crate) fn leave(&mut self, conn: ConnId) -> bool {
        let is_first = self.first() == Some(conn);
        if is_first {
            self.0.pop_front();
        }
        is_first
    }
}

impl<H: Handler> Engine<H> {
    /// Lets the first in a line go on, if there is a credit. Whoever takes one wakes
    /// the next, so one is on its way as long as somebody waits and a credit is free.
    pub(crate) fn wake_first(&mut self, wait: Wait) {
        while let Some(first) = self.waiters(wait).and_then(|waiters| waiters.first()) {
            let at = self.slots.find(first);
            // What it waits with is the first of its commands, or it has ended.
            if let Some(at) = at.filter(|&at| self.slots[at].has_program()) {
                if self.has_credit(wait) {
                    self.unpark(at, wait);
                }
                return;
            }
            if let Some(waiters) = self.waiters(wait) {
                waiters.leave(first);
            }
        }
    }

    fn waiters(&mut self, wait: Wait) -> Option<&mut Waiters> {
        match wait {
            Wait::Credit(home) => Some(&mut self.credits[home.index()].waiters),
            Wait::Task => Some(&mut self.task_waiters),
            Wait::Joined | Wait::Left(_) | Wait::Queue | Wait::Callback => None,
        }
    }

    /// Whether there is a credit for the first.
    fn has_credit(&self, wait: Wait) -> bool {
        match wait {
            Wait::Credit(home) => {
                let credit = &self.credits[home.index()];
                credit.messages == 0
                    || (credit.messages < self.config.credit_messages
                        && credit.bytes < self.config.credit_bytes)
            }
            Wait::Task => self.counts.links.tasks_pending < self.config.task_credits as u64,
            Wait::Joined | Wait::Left(_) | Wait::Queue | Wait::Callback => false,
        }
    }

    /// A connection has ended that may have been first somewhere.
    pub(crate) fn wake_all_first(&mut self) {
        self.wake_first(Wait::Task);
        for home in (0..self.config.shards).map(ShardId) {
            self.wake_first(Wait::Credit(home));
        }
    }
}
