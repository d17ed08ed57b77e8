//! Owns the program of a connection: the commands that its messages led to.
//! They are carried out in order; one that must wait holds up those behind it,
//! and the input from which more would come.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::delivery::{QueueFull, Reply};
use crate::engine::Engine;
use crate::engine::output::{Leftover, Output};
use crate::session::app_types::{AppTypes, Backpressure};
use crate::session::deferred::{Op, Pending, Wait};
use crate::session::slot::Phase;
use crate::stats::{CloseCause, Waiting};
use crate::tasks::TaskOptions;

impl<A: AppTypes> Engine<A> {
    /// Carries out a command; leaves it, and what follows, if it must wait.
    pub(crate) fn run(&mut self, at: u32, op: Op<A>) {
        let waits = match &op {
            Op::Join(room) => self.join(at, room).map_err(|wait| (wait, false)),
            Op::Leave(room) => self.leave(at, room).map_err(|wait| (wait, false)),
            Op::Publish {
                room,
                kind,
                options,
                payload,
                exclude_sender,
            } => self
                .publish(
                    at,
                    room.as_deref(),
                    *kind,
                    *options,
                    payload,
                    *exclude_sender,
                )
                .map_err(|wait| (wait, true)),
            Op::Send {
                to,
                kind,
                options,
                payload,
            } => self
                .send(at, *to, *kind, *options, payload)
                .map_err(|wait| (wait, true)),
            Op::CountMembers { room, ticket } => self
                .count_members(at, room, *ticket)
                .map_err(|wait| (wait, true)),
            Op::Reply {
                kind,
                options,
                payload,
            } => self
                .out
                .reply(
                    at,
                    Reply {
                        kind: *kind,
                        options: *options,
                        parts: [payload, &[]],
                        message: None,
                        waits: A::BACKPRESSURE == Backpressure::PauseReads,
                    },
                )
                .map_err(|QueueFull| (Wait::Queue, true)),
            Op::Close(_) if self.must_wait_to_leave() => Err((Wait::Callback, true)),
            Op::Close(code) => {
                self.finish(at, *code, CloseCause::Handler);
                Ok(())
            }
            Op::Submit(..) => match self.may_submit(at) {
                true => Ok(()),
                false => Err((Wait::Task, true)),
            },
            Op::TaskEnd(_) | Op::Notification(..) | Op::JoinRefused(_) => Ok(()),
        };
        match (op, waits) {
            (Op::Submit(task, options), Ok(())) => self.hand_out(at, task, options),
            (op, Err((wait, again))) => self.park(at, wait, again.then_some(op)),
            (_, Ok(())) => {}
        }
    }

    pub(crate) fn submit(&mut self, at: u32, task: A::Task, options: TaskOptions) {
        if self.may_submit(at) {
            self.hand_out(at, task, options);
        } else {
            self.park(at, Wait::Task, Some(Op::Submit(task, options)));
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

    pub(crate) fn hand_out(&mut self, at: u32, task: A::Task, options: TaskOptions) {
        self.counts.links.tasks_pending += 1;
        let id = self.slots.id(at);
        self.task_waiters.leave(id);
        self.outputs.push_back(Output::Submit(id, task, options));
        self.wake_first(Wait::Task);
    }

    /// Holds the connection's program at `op`, or behind the last, until what
    /// it waits for has come.
    pub(crate) fn park(&mut self, at: u32, wait: Wait, op: Option<Op<A>>) {
        match wait {
            Wait::Joined | Wait::Left(_) => self.counts.rooms.home_waits += 1,
            Wait::Queue => self.counts.links.read_pauses += 1,
            Wait::Credit(_) | Wait::Task | Wait::Callback => {}
        }
        self.parked += 1;
        if let Some(waiting) = self.counts.waiting.of(wait) {
            *waiting += 1;
        }
        self.change_pending(at, |pending| {
            debug_assert!(pending.wait.is_none(), "one wait at a time");
            pending.wait = Some(wait);
            if let Some(op) = op {
                pending.push_front(op);
            }
        });
    }

    /// Changes what is held back for a connection, and takes note of the memory of that.
    pub(crate) fn change_pending<R>(
        &mut self,
        at: u32,
        change: impl FnOnce(&mut Pending<A>) -> R,
    ) -> R {
        let pending = &mut self.slots[at].pending;
        let before = pending.as_ref().map_or(0, |pending| pending.memory());
        let pending = pending.get_or_insert_with(|| Box::new(Pending::new()));
        let result = change(pending);
        self.pending_bytes = self.pending_bytes - before + pending.memory();
        result
    }

    /// Adds a command behind those that wait.
    pub(crate) fn defer(&mut self, at: u32, op: Op<A>) {
        self.change_pending(at, |pending| pending.push_back(op));
    }

    /// Puts a command before those that wait.
    pub(crate) fn defer_first(&mut self, at: u32, op: Op<A>) {
        self.change_pending(at, |pending| pending.push_front(op));
    }

    pub(crate) fn take_ops(&mut self, at: u32) -> VecDeque<Op<A>> {
        match self.slots[at].pending {
            Some(_) => self.change_pending(at, Pending::take_ops),
            None => VecDeque::new(),
        }
    }

    /// Adds commands behind those that wait, unless the connection has ended.
    pub(crate) fn defer_all(&mut self, at: u32, ops: VecDeque<Op<A>>) {
        if self.slots[at].phase != Phase::Open {
            self.forget_ops(ops);
        } else if !ops.is_empty() {
            self.change_pending(at, |pending| {
                for op in ops {
                    pending.push_back(op);
                }
            });
        }
    }

    /// Lets a connection go on that waits for this; says whether it did.
    pub(crate) fn unpark(&mut self, at: u32, wait: Wait) -> bool {
        let waited = match &mut self.slots[at].pending {
            Some(pending) => pending.wait.take_if(|for_what| *for_what == wait).is_some(),
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
        if !flags.resuming {
            flags.resuming = true;
            self.resume.push_back(at);
        }
    }

    /// Forgets the commands of a connection that has ended. Its bytes are kept:
    /// the peer's close frame may be among them.
    pub(crate) fn forget_program(&mut self, at: u32) {
        let Some(pending) = &mut self.slots[at].pending else {
            return;
        };
        let wait = pending.wait.take();
        wait.into_iter().for_each(|wait| self.count_unparked(wait));
        self.schedule(at);
        let ops = self.take_ops(at);
        if !ops.is_empty() {
            self.forget_ops(ops);
            self.wake_all_first();
        }
    }

    /// Counts commands that are not carried out any more, and lets go of them.
    pub(crate) fn forget_ops(&mut self, ops: VecDeque<Op<A>>) {
        for op in ops {
            match op {
                Op::Publish { .. } | Op::Send { .. } => self.counts.rooms.abandoned += 1,
                Op::TaskEnd(end) => {
                    self.counts.links.outcomes_gone += 1;
                    self.dispose(Leftover::end(end));
                }
                Op::Submit(task, _) => self.dispose(Leftover::task(task)),
                _ => {}
            }
        }
    }

    /// Forgets everything that is held back for a connection.
    pub(crate) fn forget_pending(&mut self, at: u32) {
        if let Some(pending) = self.slots[at].pending.take() {
            self.pending_bytes -= pending.memory();
            let wait = pending.wait;
            wait.into_iter().for_each(|wait| self.count_unparked(wait));
            self.workspace.buffers.take_back(pending.carry);
        }
    }

    pub(crate) fn next_op(&mut self, at: u32) -> Option<Op<A>> {
        self.slots[at].pending.as_ref()?;
        self.change_pending(at, Pending::pop_front)
    }

    /// Whether nothing that was taken in is held back.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.backlog.is_empty()
            && self.resume.is_empty()
            && self.rest.is_none()
            && self.fan_outs.is_empty()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.credits.under_way().0 == 0
            && self.is_caught_up()
            && self.parked == 0
            && self.counts.links.tasks_pending == 0
            && self.outputs.is_empty()
            && self.fan_outs.is_empty()
            && self.sweep.is_none()
    }
}

impl Waiting {
    /// Where those are counted that wait for this.
    pub(crate) const fn of(&mut self, wait: Wait) -> Option<&mut u64> {
        match wait {
            Wait::Joined | Wait::Left(_) => Some(&mut self.home),
            Wait::Credit(_) => Some(&mut self.credit),
            Wait::Queue => Some(&mut self.queue),
            Wait::Task => Some(&mut self.task),
            Wait::Callback => None,
        }
    }
}
