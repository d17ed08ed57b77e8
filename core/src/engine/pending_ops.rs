//! Operations of a connection, executed in order. One that has to wait holds up those behind it and
//! the input of the connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem;

use crate::CloseCode;
use crate::delivery::{OutgoingReply, QueueFull};
use crate::engine::Engine;
use crate::engine::output::Output;
use crate::session::app_types::{AppTypes, Backpressure};
use crate::session::deferred::{Deferred, PendingOp, Wait};
use crate::session::ended::Leftover;
use crate::session::phase::Phase;
use crate::stats::{CloseCause, Waiting};
use crate::tasks::TaskOptions;

impl<A: AppTypes> Engine<A> {
    /// Carries out a command; leaves it, and what follows, if it must wait.
    pub(crate) fn run(&mut self, at: u32, op: PendingOp<A>) {
        let waits = match &op {
            PendingOp::Join(channel) => self.join(at, channel, None).map_err(|wait| (wait, false)),
            PendingOp::Subscribe(channel, subscription) => self
                .join(at, channel, Some(subscription))
                .map_err(|wait| (wait, wait == Wait::Queue)),
            PendingOp::PublishWith(publication) => self
                .publish_with(at, &publication.channel, &publication.publication())
                .map_err(|wait| (wait, true)),
            PendingOp::Query {
                channel,
                ticket,
                query,
            } => self
                .query(at, channel, *ticket, *query)
                .map_err(|wait| (wait, true)),
            PendingOp::Leave(channel) => self.leave(at, channel).map_err(|wait| (wait, false)),
            PendingOp::Publish {
                channel,
                kind,
                options,
                payload,
            } => self
                .publish(at, channel.as_deref(), *kind, *options, payload)
                .map_err(|wait| (wait, true)),
            PendingOp::Send {
                to,
                kind,
                options,
                payload,
            } => self
                .send(at, *to, *kind, *options, payload)
                .map_err(|wait| (wait, true)),
            PendingOp::Reply {
                kind,
                options,
                payload,
            } => self
                .out
                .reply(
                    at,
                    OutgoingReply {
                        kind: *kind,
                        options: *options,
                        parts: [payload, &[]],
                        message: None,
                        waits: A::BACKPRESSURE == Backpressure::PauseReads,
                    },
                )
                .map_err(|QueueFull| (Wait::Queue, true)),
            PendingOp::Push { kind, payload } => {
                let pushed = self.push(at, *kind, payload, true);
                pushed.map_err(|wait| (wait, true))
            }
            PendingOp::Close { .. } if self.must_wait_to_leave() => Err((Wait::Callback, true)),
            PendingOp::Close {
                code,
                reason,
                cause,
            } => {
                self.begin_close(at, *code, reason, *cause);
                Ok(())
            }
            PendingOp::CloseOther { to, code, reason } => self
                .close_other(*to, *code, reason)
                .map_err(|wait| (wait, true)),
            PendingOp::Ask { .. } | PendingOp::Respond(_) => Ok(()),
            PendingOp::Submit(..) => match self.may_submit(at) {
                true => Ok(()),
                false => Err((Wait::Task, true)),
            },
            PendingOp::TaskEnd(_)
            | PendingOp::Notification(..)
            | PendingOp::JoinRefused(_)
            | PendingOp::PositionLost(_)
            | PendingOp::Timer => Ok(()),
        };
        match (op, waits) {
            (PendingOp::Submit(task, options), Ok(())) => self.emit_task(at, task, options),
            (PendingOp::Respond(response), Ok(())) => self.respond_to_held(at, &response),
            (
                PendingOp::Ask {
                    ticket,
                    target,
                    payload,
                },
                Ok(()),
            ) => self.ask(at, ticket, target, &payload),
            (op, Err((wait, again))) => self.park(at, wait, again.then_some(op)),
            (_, Ok(())) => {}
        }
    }

    pub(crate) fn submit(&mut self, at: u32, task: A::Task, options: TaskOptions) {
        if self.may_submit(at) {
            self.emit_task(at, task, options);
        } else {
            self.park(at, Wait::Task, Some(PendingOp::Submit(task, options)));
        }
    }

    /// Closes a connection behind what was asked for before.
    pub(crate) fn close_behind(
        &mut self,
        at: u32,
        code: CloseCode,
        reason: &'static str,
        cause: CloseCause,
    ) {
        let close = PendingOp::Close {
            code,
            reason,
            cause,
        };
        if self.slots[at].phase() != Phase::Open {
            // It is closing already.
        } else if self.is_parked(at) {
            self.defer(at, close);
        } else {
            self.run(at, close);
        }
    }

    /// Whether one more task may be under way; if not, the connection is in the line.
    pub(crate) fn may_submit(&mut self, at: u32) -> bool {
        let most = self.config.task_credits as u64;
        let id = self.slots.id(at);
        let is_free = self.counts.links.tasks_pending < most;
        let may = most == 0 || is_free && self.task_waiters.is_turn_of(id);
        if !may {
            self.counts.links.task_waits += u64::from(self.task_waiters.line_up(id));
        }
        may
    }

    pub(crate) fn emit_task(&mut self, at: u32, task: A::Task, options: TaskOptions) {
        self.counts.links.tasks_pending += 1;
        let id = self.slots.id(at);
        self.task_waiters.leave(id);
        self.outputs.push_back(Output::Submit(id, task, options));
        self.wake_first(Wait::Task);
    }

    /// Holds the connection's program at `op`, or behind the last, until what
    /// it waits for has come.
    pub(crate) fn park(&mut self, at: u32, wait: Wait, op: Option<PendingOp<A>>) {
        match wait {
            Wait::Joined | Wait::Left(_) => self.counts.channels.home_waits += 1,
            Wait::Queue => self.counts.links.read_pauses += 1,
            Wait::Credit(_) | Wait::Task | Wait::Answers | Wait::Callback => {}
        }
        self.parked += 1;
        if let Some(waiting) = self.counts.waiting.of(wait) {
            *waiting += 1;
        }
        self.change_deferred(at, |deferred| {
            debug_assert!(deferred.wait.is_none(), "one wait at a time");
            deferred.wait = Some(wait);
            if let Some(op) = op {
                deferred.push_front(op);
            }
        });
    }

    /// Changes what is held back for a connection, and takes note of the memory of that.
    pub(crate) fn change_deferred<R>(
        &mut self,
        at: u32,
        change: impl FnOnce(&mut Deferred<A>) -> R,
    ) -> R {
        let deferred = &mut self.slots[at].deferred;
        let before = deferred.as_ref().map_or(0, |deferred| deferred.memory());
        let deferred = deferred.get_or_insert_with(|| Box::new(Deferred::new()));
        let result = change(deferred);
        self.deferred_bytes = self.deferred_bytes - before + deferred.memory();
        result
    }

    /// Adds a command behind those that wait.
    pub(crate) fn defer(&mut self, at: u32, op: PendingOp<A>) {
        self.change_deferred(at, |deferred| deferred.push_back(op));
        self.check_backlog(at);
    }

    /// Puts a command before those that wait.
    pub(crate) fn defer_first(&mut self, at: u32, op: PendingOp<A>) {
        self.change_deferred(at, |deferred| deferred.push_front(op));
    }

    pub(crate) fn take_ops(&mut self, at: u32) -> VecDeque<PendingOp<A>> {
        match self.slots[at].deferred {
            Some(_) => self.change_deferred(at, Deferred::take_ops),
            None => VecDeque::new(),
        }
    }

    /// Adds commands behind those that wait, unless the connection has ended.
    pub(crate) fn defer_all(&mut self, at: u32, ops: VecDeque<PendingOp<A>>) {
        if !self.is_acting(at) {
            self.forget_ops(ops);
        } else if !ops.is_empty() {
            self.change_deferred(at, |deferred| {
                for op in ops {
                    deferred.push_back(op);
                }
            });
            self.check_backlog(at);
        }
    }

    /// Lets a connection go on that waits for this; says whether it did.
    pub(crate) fn unpark(&mut self, at: u32, wait: Wait) -> bool {
        let waited = match &mut self.slots[at].deferred {
            Some(deferred) => deferred
                .wait
                .take_if(|for_what| *for_what == wait)
                .is_some(),
            None => false,
        };
        if waited {
            self.count_unparked(wait);
            self.schedule(at);
        }
        waited
    }

    /// A connection does not wait for this any more.
    pub(crate) fn count_unparked(&mut self, wait: Wait) {
        self.parked -= 1;
        if let Some(waiting) = self.counts.waiting.of(wait) {
            *waiting -= 1;
        }
    }

    /// Puts the connection on the list of those to be gone on with.
    pub(crate) fn schedule(&mut self, at: u32) {
        let flags = &mut self.slots[at].flags;
        if !flags.resuming() {
            flags.set_resuming(true);
            self.resume.push_back(at);
        }
    }

    /// Forgets the commands of a connection that has ended. Its bytes are kept:
    /// the peer's close frame may be among them.
    pub(crate) fn discard_deferred_ops(&mut self, at: u32) {
        let Some(deferred) = &mut self.slots[at].deferred else {
            return;
        };
        let wait = deferred.wait.take();
        self.change_deferred(at, |deferred| deferred.question = None);
        wait.into_iter().for_each(|wait| self.count_unparked(wait));
        self.schedule(at);
        let ops = self.take_ops(at);
        if !ops.is_empty() {
            self.forget_ops(ops);
            self.wake_all_first();
        }
    }

    /// Counts commands that are not carried out any more, and lets go of them.
    pub(crate) fn forget_ops(&mut self, ops: VecDeque<PendingOp<A>>) {
        for op in ops {
            match op {
                PendingOp::Publish { .. } | PendingOp::PublishWith(_) | PendingOp::Send { .. } => {
                    self.counts.channels.abandoned += 1;
                }
                PendingOp::TaskEnd(end) => {
                    self.counts.links.outcomes_gone += 1;
                    self.leftovers.push(Leftover::TaskEnd(end));
                }
                PendingOp::Push { .. } => self.out.count_discarded_push(),
                PendingOp::Submit(task, _) => self.leftovers.push(Leftover::Task(task)),
                _ => {}
            }
        }
    }

    /// Forgets the bytes and the request that are held back for a connection.
    pub(crate) fn forget_input(&mut self, at: u32) {
        if let Some(deferred) = &mut self.slots[at].deferred {
            deferred.begin = 0;
            let buffered = mem::take(&mut deferred.buffered);
            self.decode_buffers.buffers.take_back(buffered);
            drop(self.take_exchange(at));
            self.drop_empty_deferred(at);
        }
    }

    /// Moves every value of the application to where it is dropped.
    pub(crate) fn surrender(&mut self) {
        for at in 0..self.slots.len() {
            let state = self.slots[at].state.take();
            self.leftovers.extend(state.map(Leftover::State));
            let ops = self.take_ops(at);
            self.forget_ops(ops);
        }
        for output in self.outputs.drain(..) {
            if let Output::Submit(_, task, _) = output {
                self.leftovers.push(Leftover::Task(task));
            }
        }
    }

    pub(crate) fn next_op(&mut self, at: u32) -> Option<PendingOp<A>> {
        self.slots[at].deferred.as_ref()?;
        self.change_deferred(at, Deferred::pop_front)
    }

    /// Whether nothing that was taken in is held back.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.inbox.is_empty()
            && self.resume.is_empty()
            && self.rest.is_none()
            && self.fan_outs.is_empty()
            && self.notices.is_empty()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.credits.under_way().0 == 0
            && self.is_caught_up()
            && self.parked == 0
            && self.counts.links.tasks_pending == 0
            && self.outputs.is_empty()
            && self.sweep.is_none()
    }
}

impl Waiting {
    /// Where those are counted that wait for this.
    pub(crate) const fn of(&mut self, wait: Wait) -> Option<&mut u64> {
        match wait {
            Wait::Joined | Wait::Left(_) => Some(&mut self.owner),
            Wait::Credit(_) => Some(&mut self.credit),
            Wait::Queue => Some(&mut self.queue),
            Wait::Task => Some(&mut self.task),
            Wait::Answers => Some(&mut self.answers),
            Wait::Callback => None,
        }
    }
}
