//! Owns credits: how much of what its connections say a shard may have under way
//! to each home. What is said is not its business, only how long it is; in which
//! order those go on who wait for more is in `waiters`.

use crate::app::Handler;
use crate::channels::message::{Completion, CreditHolder, Lives, MessageBody};
use crate::channels::waiters::Waiters;
use crate::id::ShardId;
use crate::session::deferred::Wait;
use crate::shard::engine::Engine;

/// What one shard has under way to all others, and to itself as a home.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnderWay {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// What one shard has under way to one home, and who waits for it to arrive.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) waiters: Waiters,
}

impl<H: Handler> Engine<H> {
    /// Takes a credit for something of this connection that goes to this shard, or
    /// lines up for one.
    pub(crate) fn take_credit(&mut self, at: u32, home: ShardId, bytes: usize) -> Result<(), Wait> {
        let conn = self.slots.id(at);
        let credit = &mut self.credits[home.index()];
        let has_room = credit.messages == 0
            || (credit.messages < self.config.credit_messages
                && credit.bytes + bytes <= self.config.credit_bytes);
        if !has_room || !credit.waiters.is_turn_of(conn) {
            self.counts.rooms.credit_waits += u64::from(credit.waiters.line_up(conn));
            return Err(Wait::Credit(home));
        }
        credit.waiters.leave(conn);
        credit.messages += 1;
        credit.bytes += bytes;
        self.under_way.messages += 1;
        self.under_way.bytes += bytes;
        Ok(())
    }

    /// The connection as one that takes a credit.
    pub(crate) fn borrower(&self, at: u32, home: ShardId) -> CreditHolder {
        CreditHolder {
            conn: self.slots.id(at),
            lives: self.lives_with(home),
        }
    }

    /// In which lives a credit is taken now.
    fn lives_with(&self, home: ShardId) -> Lives {
        Lives {
            own: self.life(),
            home: self.lives[home.index()],
        }
    }

    /// Lets the shard of a connection know that what it was given a credit for
    /// with `home` is over.
    pub(crate) fn give_credit_back(
        &mut self,
        from: CreditHolder,
        home: ShardId,
        bytes: usize,
        report: Option<Completion>,
    ) {
        let CreditHolder { conn, lives } = from;
        if conn.shard() == self.id {
            self.take_credit_back(home, lives, bytes, report);
            return;
        }
        let credit = MessageBody::Credit {
            home,
            lives,
            bytes,
            report,
        };
        self.post(conn.shard(), credit);
    }

    /// What was credited is over everywhere.
    pub(crate) fn take_credit_back(
        &mut self,
        home: ShardId,
        lives: Lives,
        bytes: usize,
        report: Option<Completion>,
    ) {
        // What was under way when its home failed, or we did, has been forgiven already.
        if lives == self.lives_with(home) {
            self.return_credit(home, bytes);
        }
        if let Some(report) = report {
            self.report(report);
        }
    }

    fn return_credit(&mut self, home: ShardId, bytes: usize) {
        let credit = &mut self.credits[home.index()];
        let (messages, bytes) = (credit.messages.min(1), credit.bytes.min(bytes));
        credit.messages -= messages;
        credit.bytes -= bytes;
        self.under_way.messages -= messages;
        self.under_way.bytes -= bytes;
        self.wake_first(Wait::Credit(home));
    }

    /// Nothing is under way to this home any more.
    pub(crate) fn forgive_credit(&mut self, home: ShardId) {
        let credit = &mut self.credits[home.index()];
        self.under_way.messages -= core::mem::take(&mut credit.messages);
        self.under_way.bytes -= core::mem::take(&mut credit.bytes);
        self.wake_first(Wait::Credit(home));
    }
}
