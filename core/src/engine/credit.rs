//! Taking and returning of credits, and the wake-up of connections that wait for a credit or for
//! one more task.

use crate::channels::message::{Completion, MessageBody};
use crate::engine::Engine;
use crate::id::{ConnId, ShardId};
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;

impl<A: AppTypes> Engine<A> {
    /// Takes a credit for something of this connection that goes to this shard.
    ///
    /// # Errors
    /// If there is none; then the connection waits for it.
    pub(crate) fn take_credit(
        &mut self,
        at: u32,
        owner: ShardId,
        bytes: usize,
    ) -> Result<(), Wait> {
        let conn = self.slots.id(at);
        match self.credits.take(conn, owner, bytes) {
            true => Ok(()),
            false => Err(Wait::Credit(owner)),
        }
    }

    /// Lets the shard of a connection know that what it took a credit for is over.
    pub(crate) fn give_credit_back(
        &mut self,
        conn: ConnId,
        owner: ShardId,
        bytes: usize,
        report: Option<Completion>,
    ) {
        if conn.shard() == self.id {
            self.take_credit_back(owner, bytes, report);
            return;
        }
        let credit = MessageBody::Credit {
            owner,
            bytes,
            report,
        };
        self.post(conn.shard(), credit);
    }

    /// Takes note that what a credit was taken for is over everywhere.
    pub(crate) fn take_credit_back(
        &mut self,
        owner: ShardId,
        bytes: usize,
        report: Option<Completion>,
    ) {
        self.credits.give_back(owner, bytes);
        self.wake_first(Wait::Credit(owner));
        if let Some(report) = report {
            self.report(report);
        }
    }

    /// Lets the first in a line go on, if there is a credit. Whoever takes one wakes
    /// the next, so one is on its way as long as somebody waits and a credit is free.
    pub(crate) fn wake_first(&mut self, wait: Wait) {
        while let Some(first) = self.first_waiter(wait) {
            let at = self.slots.find(first);
            // What it waits with is the first of its operations, or it has ended.
            if let Some(at) = at.filter(|&at| self.slots[at].has_deferred_ops()) {
                if self.is_available(wait) {
                    self.unpark(at, wait);
                }
                return;
            }
            match wait {
                Wait::Credit(owner) => self.credits.stop_waiting(owner, first),
                _ => self.task_waiters.leave(first),
            };
        }
    }

    fn first_waiter(&self, wait: Wait) -> Option<ConnId> {
        match wait {
            Wait::Credit(owner) => self.credits.first_waiter(owner),
            Wait::Task => self.task_waiters.first(),
            Wait::Joined | Wait::Left(_) | Wait::Queue | Wait::Answers | Wait::Callback => None,
        }
    }

    /// Returns whether there is what the first in a line waits for.
    fn is_available(&self, wait: Wait) -> bool {
        match wait {
            Wait::Credit(owner) => self.credits.is_available(owner),
            Wait::Task => self.counts.links.tasks_pending < self.config.task_credits as u64,
            Wait::Joined | Wait::Left(_) | Wait::Queue | Wait::Answers | Wait::Callback => false,
        }
    }

    /// Lets others go on if a connection that has ended was first somewhere.
    pub(crate) fn wake_all_first(&mut self) {
        self.wake_first(Wait::Task);
        for owner in (0..self.config.shards).map(ShardId) {
            self.wake_first(Wait::Credit(owner));
        }
    }
}
