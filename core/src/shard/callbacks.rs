//! Execution of one operation of a connection, and callbacks about tasks, receipts, member counts
//! and refused joins. Other operations are in `engine::pending_ops`.

use crate::app::{Context, Handler};
use crate::channels::message::Notification;
use crate::session::deferred::PendingOp;
use crate::shard::Shard;

impl<H: Handler> Shard<H> {
    /// Carries out a command of a connection, or leaves it until what it waits for has come.
    pub(crate) fn run_or_defer(&mut self, at: u32, op: PendingOp<H>) {
        if self.engine.slots[at].is_parked() {
            self.engine.defer(at, op);
            return;
        }
        match op {
            PendingOp::TaskEnd(end) => self.emit(at, |handler, ctx| handler.on_outcome(ctx, end)),
            PendingOp::Notification(ticket, answer) => self.emit(at, |handler, ctx| match answer {
                Notification::DeliveryReport(outcome) => handler.on_published(ctx, ticket, outcome),
                Notification::Members(members) => handler.on_members(ctx, ticket, members),
            }),
            PendingOp::JoinRefused(channel) => {
                self.emit(at, |handler, ctx| handler.on_join_refused(ctx, &channel));
            }
            op => self.engine.run(at, op),
        }
    }

    /// Calls the handler about something that has ended. What that leads to goes
    /// before what was given later.
    pub(crate) fn emit(&mut self, at: u32, call: impl FnOnce(&mut H, &mut Context<'_, H>)) {
        let later = self.engine.take_ops(at);
        let mut ctx = Context::new(&mut self.engine, at, None);
        call(&mut self.handler, &mut ctx);
        self.engine.defer_all(at, later);
    }
}
