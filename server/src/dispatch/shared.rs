//! Dispatcher behind one lock: submissions, ends of attempts, dead letters, shutdown.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};

use stentor_core::{
    Config, ConnId, DeadLetter, DispatchStats, Dispatcher, Handler, SubmitErrorKind, TaskCounts,
    TaskEnd, Timestamp, WorkerId,
};
use tracing::{error, warn};

use super::locked::{AttemptReport, LockedDispatcher, end_of, log_failure};
use super::{Attempt, Due, Next, Submission, Wakeups, dispose};
use crate::Clock;

/// The dispatcher of a server. Shards submit tasks to it, and workers get them from it.
#[derive(Debug)]
pub struct SharedDispatcher<T> {
    pub(super) state: Mutex<LockedDispatcher<T>>,
    workers: u16,
    clock: Clock,
    /// Tasks and outcomes whose destructor panicked.
    drops_panicked: AtomicU64,
}

impl<T> SharedDispatcher<T> {
    /// Returns a dispatcher without tasks, for `workers` workers and at most `queue` waiting tasks.
    #[must_use]
    pub fn new(config: &Config, workers: u16, queue: usize) -> Self {
        let clock = Clock::start();
        let dispatcher = Dispatcher::new(workers, queue, config);
        Self {
            state: Mutex::new(LockedDispatcher::new(dispatcher, clock)),
            workers,
            clock,
            drops_panicked: AtomicU64::new(0),
        }
    }

    /// Returns the workers.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = WorkerId> + use<T> {
        (0..self.workers).map(WorkerId)
    }

    /// Returns the clock of all deadlines.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Locks the dispatcher: for a worker that finds no job and must fall asleep under the same
    /// lock, and for the timer.
    pub fn lock(&self) -> MutexGuard<'_, LockedDispatcher<T>> {
        // Consistent between calls, and no code of the application runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits tasks in order and leaves the buffer empty. Returns the tasks that were refused.
    pub fn submit_all(&self, tasks: &mut Vec<Submission<T>>) -> (Wakeups, Vec<(ConnId, T)>) {
        let now = self.clock.now();
        let (mut workers, mut refused) = (0, Vec::new());
        let mut state = self.lock();
        for Submission {
            conn,
            task,
            options,
        } in tasks.drain(..)
        {
            match state.dispatcher.handle_submit(now, conn, task, options) {
                Ok(submitted) => workers += usize::from(submitted.wake),
                Err(back) => refused.push((conn, back.task)),
            }
        }
        (state.wakeups(workers), refused)
    }

    /// Handles the end of an attempt at a task of a connection. Returns the end of the task, if it
    /// has ended. The caller reports it to the shard of the connection before the worker asks for
    /// its next job.
    pub fn finish<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
        conn: ConnId,
        attempt: Attempt<H::Outcome>,
    ) -> (Wakeups, Option<TaskEnd<H>>) {
        let attempt = attempt.into_parts();
        let now = self.clock.now();
        let mut state = self.lock();
        let mut report = state.end_attempt(now, worker, attempt);
        let wakeups = state.wakeups(0);
        drop(state);
        let end = report.end.take();
        self.settle(worker, conn, report);
        (wakeups, end)
    }

    /// Does the work of [`finish`](Self::finish) and [`LockedDispatcher::next`] under one lock, and
    /// calls `report` with the end of the task in between, under the lock as well. `report` must
    /// not wait for a lock whose holder may call this.
    pub fn exchange<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
        conn: ConnId,
        attempt: Attempt<H::Outcome>,
        report: impl FnOnce(TaskEnd<H>),
    ) -> (Next<T>, Wakeups) {
        let attempt = attempt.into_parts();
        let now = self.clock.now();
        let mut state = self.lock();
        let mut ended = state.end_attempt(now, worker, attempt);
        if let Some(end) = ended.end.take() {
            report(end);
        }
        let next = state.next_at(now, worker);
        drop(state);
        self.settle(worker, conn, ended);
        next
    }

    /// Handles the restart of a worker that ended without a result, which means that its attempt
    /// panicked. Returns the end to report, before the worker asks for its next job.
    pub fn restart<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
    ) -> (Wakeups, Option<(ConnId, TaskEnd<H>)>) {
        let now = self.clock.now();
        let report = self.lock().restart(now, worker);
        if let Some(held_back) = report.line {
            error!(%worker, held_back, "a worker ended unexpectedly and is restarted");
        }
        self.dispose(report.spent);
        let end = report.failed.and_then(|(task, held_back)| {
            log_failure(&task, held_back);
            end_of(&task)
        });
        (report.wakeups, end)
    }

    /// Does the rest of [`LockedDispatcher::tick`] after the lock is released. Returns the ends to
    /// report before the next tick.
    pub fn settle_due<H: Handler<Task = T>>(
        &self,
        due: Due<T>,
    ) -> impl Iterator<Item = (ConnId, TaskEnd<H>)> + use<H, T> {
        for spent in due.spent {
            self.dispose(spent);
        }
        due.failed.into_iter().filter_map(|(task, held_back)| {
            log_failure(&task, held_back);
            end_of(&task)
        })
    }

    /// Logs the end of an attempt and drops the values of the application, after the lock is
    /// released.
    fn settle<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
        conn: ConnId,
        report: AttemptReport<H>,
    ) {
        report.log(worker, conn);
        // Usually only the task is left to drop.
        if let Some(spent) = report.spent {
            self.dispose(spent);
        }
        if let Some(outcome) = report.outcome {
            self.dispose(outcome);
        }
    }

    /// Drops a value of the application. Catches and counts a panic.
    pub fn dispose<V>(&self, value: V) {
        if !dispose(value) {
            self.count_drop_panic();
        }
    }

    /// Counts a panic in the destructor of a task or outcome.
    pub fn count_drop_panic(&self) {
        self.drops_panicked.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the deadline of the attempt of a worker that cancels attempts itself, or `None` if
    /// the attempt counts as failed already.
    pub fn deadline(&self, worker: WorkerId) -> Option<Timestamp> {
        let now = self.clock.now();
        self.lock().dispatcher.poll_deadline(now, worker)
    }

    /// Returns the oldest dead letters, at most `limit`, and the number of all.
    pub fn dead_letters(&self, limit: usize) -> (Vec<DeadLetter>, usize) {
        let state = self.lock();
        let letters = state.dispatcher.dead_letters();
        let all = letters.len();
        let listed = letters.take(limit).map(|(letter, _)| *letter);
        (listed.collect(), all)
    }

    /// Submits a dead letter again, or returns `None` if it does not exist. Its failure was
    /// reported, so its end is not.
    ///
    /// # Errors
    /// Returns an error if the task is refused; then it remains a dead letter.
    pub fn resubmit(&self, id: u64) -> Result<Option<Wakeups>, SubmitErrorKind> {
        let now = self.clock.now();
        let mut state = self.lock();
        let submitted = state.dispatcher.handle_resubmit(now, id)?;
        Ok(submitted.map(|submitted| state.wakeups(submitted.wake.into())))
    }

    /// [Resubmits](Self::resubmit) all dead letters, oldest first, while there is room. Returns
    /// their number.
    pub fn resubmit_all(&self) -> (usize, Wakeups) {
        let now = self.clock.now();
        let mut state = self.lock();
        let (tasks, wakes) = state.dispatcher.handle_resubmit_all(now);
        (tasks, state.wakeups(wakes))
    }

    /// Deletes a dead letter. Returns whether it existed.
    pub fn discard(&self, id: u64) -> bool {
        let taken = self.lock().dispatcher.take_dead_letter(id);
        let existed = taken.is_some();
        // The lock is released.
        self.dispose(taken);
        existed
    }

    /// Counts the unfinished tasks of a connection. Releases the lock from time to time, so tasks
    /// that begin or end meanwhile may be counted or not.
    pub fn tasks_of(&self, conn: ConnId) -> TaskCounts {
        let (mut sum, mut from) = (TaskCounts::default(), 0);
        loop {
            let range = from..from + TASKS_PER_LOCK;
            let (counts, all) = self.lock().dispatcher.tasks_of(conn, range);
            sum += counts;
            from += TASKS_PER_LOCK;
            if from >= all {
                return sum;
            }
        }
    }

    /// Returns the counters.
    pub fn stats(&self) -> DispatchStats {
        let mut stats = self.lock().dispatcher.stats();
        stats.drops_panicked = self.drops_panicked.load(Ordering::Relaxed);
        stats
    }

    /// Makes delayed and retried tasks due at once, before the shards drain.
    pub fn cancel_delays(&self) -> Wakeups {
        let mut state = self.lock();
        let wakes = state.dispatcher.cancel_delays();
        state.wakeups(wakes)
    }

    /// Refuses further tasks. The caller wakes all workers, which end when nothing is left, and the
    /// timer.
    pub fn drain(&self) {
        self.lock().dispatcher.handle_drain();
    }

    /// Drops unfinished tasks and logs their number.
    pub fn abandon(&self) {
        let abandoned = self.lock().dispatcher.abandon();
        let all = abandoned.len();
        let mut running = 0;
        for task in abandoned {
            running += usize::from(task.begun);
            self.dispose(task);
        }
        if all > 0 {
            let waiting = all - running;
            warn!(waiting, running, "tasks were not finished");
        }
    }
}

impl<T> Drop for SharedDispatcher<T> {
    /// Drops every task separately: if two destructors panic in one drop, the process aborts.
    fn drop(&mut self) {
        loop {
            let mut state = self.lock();
            let oldest = state.dispatcher.dead_letters().next();
            let Some(id) = oldest.map(|(letter, _)| letter.id) else {
                break;
            };
            let taken = state.dispatcher.take_dead_letter(id);
            drop(state);
            self.dispose(taken);
        }
        for task in self.lock().dispatcher.abandon() {
            self.dispose(task);
        }
    }
}

/// Tasks examined per acquisition of the lock.
const TASKS_PER_LOCK: usize = 1_024;
