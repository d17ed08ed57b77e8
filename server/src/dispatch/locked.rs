//! State under the dispatcher's lock, and the results that are handled after its release.

use stentor_core::{
    AttemptEnd, AttemptResult, ConnId, Dispatcher, FailedTask, Handler, Spent, TaskEnd, Timestamp,
    WorkerId,
};
use tracing::{debug, error, warn};

use super::{Due, Next, Wakeups};
use crate::{Clock, Throttle};

/// The dispatcher while its lock is held.
#[derive(Debug)]
pub struct LockedDispatcher<T> {
    pub(super) dispatcher: Dispatcher<T>,
    clock: Clock,
    /// The deadline that the timer waits for.
    armed: Option<Timestamp>,
    failures: Throttle,
    panics: Throttle,
}

impl<T> LockedDispatcher<T> {
    pub(super) const fn new(dispatcher: Dispatcher<T>, clock: Clock) -> Self {
        Self {
            dispatcher,
            clock,
            armed: None,
            failures: Throttle::new(FAILURE_BURST, FAILURE_RATE),
            panics: Throttle::new(FAILURE_BURST, FAILURE_RATE),
        }
    }

    /// Assigns the next job to a worker.
    pub fn next(&mut self, worker: WorkerId) -> (Next<T>, Wakeups) {
        self.next_at(self.clock.now(), worker)
    }

    pub(super) fn next_at(&mut self, now: Timestamp, worker: WorkerId) -> (Next<T>, Wakeups) {
        let next = match self.dispatcher.poll_assign(now, worker) {
            Some(job) => Next::Job(job),
            None if self.dispatcher.is_draining() => Next::End,
            None => Next::Sleep,
        };
        (next, self.wakeups(0))
    }

    /// Handles the deadlines that have passed. Returns `None` if the timer must end.
    pub fn tick(&mut self) -> Option<Due<T>> {
        if self.dispatcher.is_draining() {
            return None;
        }
        let now = self.clock.now();
        let workers = self.dispatcher.handle_timeout(now);
        let mut failed = Vec::new();
        while let Some(task) = self.dispatcher.poll_failed() {
            failed.push((task, self.failures.admit(now)));
        }
        let spent = std::iter::from_fn(|| self.dispatcher.poll_spent()).collect();
        self.armed = self.dispatcher.poll_timeout();
        Some(Due {
            wakeups: Wakeups {
                workers,
                timer: false,
            },
            failed,
            spent,
            until: self.armed,
        })
    }

    /// Handles the end of an attempt.
    pub(super) fn end_attempt<H: Handler<Task = T>>(
        &mut self,
        now: Timestamp,
        worker: WorkerId,
        (end, outcome): (AttemptEnd, Option<H::Outcome>),
    ) -> AttemptReport<H> {
        let result = self.dispatcher.handle_end(now, worker, end);
        let mut report = AttemptReport {
            end: None,
            panicked: None,
            line: Line::None,
            outcome,
            spent: self.dispatcher.poll_spent(),
        };
        if end == AttemptEnd::Panicked {
            report.panicked = self.panics.admit(now);
        }
        match result {
            AttemptResult::Done { notify: true } => {
                report.end = report.outcome.take().map(TaskEnd::Done);
            }
            AttemptResult::Done { notify: false } | AttemptResult::Late => {}
            AttemptResult::Retry => report.line = Line::Retried(end),
            AttemptResult::Failed(task) => {
                report.end = end_of(&task).map(|(_, end)| end);
                report.line = Line::Failed(task, self.failures.admit(now));
            }
        }
        report
    }

    /// Handles the restart of a worker whose attempt ended without a result.
    pub(super) fn restart(&mut self, now: Timestamp, worker: WorkerId) -> RestartReport<T> {
        let failed = match self.dispatcher.handle_restart(now, worker) {
            Some(AttemptResult::Failed(task)) => Some((task, self.failures.admit(now))),
            _ => None,
        };
        RestartReport {
            failed,
            spent: self.dispatcher.poll_spent(),
            wakeups: self.wakeups(0),
            line: self.panics.admit(now),
        }
    }

    /// Returns the wake-ups after a call, including `workers` sleeping workers.
    pub(super) fn wakeups(&mut self, workers: usize) -> Wakeups {
        let next = self.dispatcher.poll_timeout();
        let is_earlier = next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed));
        if is_earlier {
            self.armed = next;
        }
        Wakeups {
            workers,
            timer: is_earlier,
        }
    }
}

/// What remains to be done about the end of an attempt after the lock is released.
pub(super) struct AttemptReport<H: Handler> {
    /// The end to report to the shard.
    pub(super) end: Option<TaskEnd<H>>,
    /// The number of suppressed lines, if a panic is to be logged.
    panicked: Option<u64>,
    line: Line,
    /// An outcome that is not reported.
    pub(super) outcome: Option<H::Outcome>,
    pub(super) spent: Option<Spent<H::Task>>,
}

impl<H: Handler> AttemptReport<H> {
    pub(super) fn log(&self, worker: WorkerId, conn: ConnId) {
        if let Some(held_back) = self.panicked {
            error!(%worker, %conn, held_back, "a task panicked");
        }
        match &self.line {
            Line::None => {}
            Line::Retried(end) => debug!(%worker, %conn, ?end, "a task is retried"),
            Line::Failed(task, held_back) => log_failure(task, *held_back),
        }
    }
}

/// What remains to be done about the restart of a worker after the lock is released.
pub(super) struct RestartReport<T> {
    pub(super) failed: Option<(FailedTask, Option<u64>)>,
    pub(super) spent: Option<Spent<T>>,
    pub(super) wakeups: Wakeups,
    /// The number of suppressed lines, if the restart is to be logged.
    pub(super) line: Option<u64>,
}

/// A log line about a task.
#[derive(Clone, Copy)]
enum Line {
    None,
    Retried(AttemptEnd),
    /// With the number of suppressed lines, or suppressed itself.
    Failed(FailedTask, Option<u64>),
}

/// Returns the end of a failed task and the connection to report it to, unless it was resubmitted.
pub(super) fn end_of<H: Handler>(task: &FailedTask) -> Option<(ConnId, TaskEnd<H>)> {
    let &FailedTask {
        conn,
        cause,
        attempts,
        notify,
        ..
    } = task;
    notify.then_some((conn, TaskEnd::Failed { cause, attempts }))
}

pub(super) fn log_failure(task: &FailedTask, held_back: Option<u64>) {
    if let Some(held_back) = held_back {
        let (conn, cause, attempts) = (task.conn, task.cause, task.attempts);
        warn!(%conn, %cause, attempts, held_back, "a task failed");
    }
}

/// Log lines about failed tasks, and about attempts that panicked, at once and per second.
const FAILURE_BURST: u32 = 10;
const FAILURE_RATE: u32 = 5;
