//! Dispatcher behind one lock: submissions, ends of attempts, dead letters, shutdown.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use stentor_core::id::WorkerId;
use stentor_core::stats::DispatchStats;
use stentor_core::tasks::{
    Attempt, AttemptResult, DeadLetter, DueTasks, EndedAttempt, Spent, Submission, SubmitErrorKind,
    TaskCounts, TaskScheduler, Wakeups, WorkerStep,
};
use stentor_core::{Config, ConnId, Handler, TaskEnd, Timestamp};
use tracing::warn;

use super::dispose;
use super::log::TaskLog;
use crate::Clock;
use crate::primitive::{Condvar, Mutex, MutexGuard};

/// The dispatcher of a server. Shards submit tasks to it, and workers get them from it.
#[derive(Debug)]
pub struct SharedDispatcher<T> {
    pub(super) state: Mutex<TaskScheduler<T>>,
    /// Wakes the thread that runs the timers.
    alarm: Condvar,
    workers: u16,
    clock: Clock,
    log: TaskLog,
    /// Tasks and outcomes whose destructor panicked.
    drops_panicked: AtomicU64,
}

impl<T> SharedDispatcher<T> {
    /// Returns a dispatcher without tasks, for `workers` workers and at most `queue` waiting tasks.
    #[must_use]
    pub fn new(config: &Config, workers: u16, queue: usize) -> Self {
        Self {
            state: Mutex::new(TaskScheduler::new(workers, queue, config)),
            alarm: Condvar::new(),
            workers,
            clock: Clock::start(),
            log: TaskLog::new(),
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
    /// lock.
    pub fn lock(&self) -> MutexGuard<'_, TaskScheduler<T>> {
        // Consistent between calls, and no code of the application runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits tasks in order and leaves the buffer empty. Returns the tasks that were refused.
    pub fn submit_all(&self, tasks: &mut Vec<Submission<T>>) -> (Wakeups, Vec<(ConnId, T)>) {
        let now = self.clock.now();
        self.lock().handle_submit_all(now, tasks)
    }

    /// Returns the next step of a worker, for one that does not fall asleep under the lock.
    pub fn next(&self, worker: WorkerId) -> (WorkerStep<T>, Wakeups) {
        let now = self.clock.now();
        self.lock().poll_step(now, worker)
    }

    /// Runs the timers until the dispatcher drains. `wake` performs wake-ups, `report` gives the end
    /// of a task to its shard. This has a thread of its own, because all workers may be running tasks
    /// that do not end.
    pub fn run_timers<H: Handler<Task = T>>(
        &self,
        wake: impl Fn(Wakeups),
        report: impl Fn(ConnId, TaskEnd<H>),
    ) {
        let mut state = self.lock();
        while let Some(due) = state.poll_due(self.clock.now()) {
            if !due.is_empty() {
                drop(state);
                wake(due.wakeups);
                for (conn, end) in self.settle_due(due) {
                    report(conn, end);
                }
                state = self.lock();
                continue;
            }
            state = match due.until {
                None => self
                    .alarm
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.since(self.clock.now());
                    let waited = self.alarm.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Wakes the thread that runs the timers.
    pub fn wake_timer(&self) {
        self.alarm.notify_one();
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
        let (end, mut outcome) = attempt.into_parts();
        let now = self.clock.now();
        let ended = self.lock().handle_end(now, worker, end);
        let reported = TaskEnd::of_attempt(&ended.result, &mut outcome);
        self.log.write_end(now, (worker, conn), end, &ended.result);
        self.drop_rest(ended.spent, outcome);
        (ended.wakeups, reported)
    }

    /// Does the work of [`finish`](Self::finish) and [`next`](Self::next) under one lock, and calls
    /// `report` with the end of the task in between, under the lock as well. `report` must not wait
    /// for a lock whose holder may call this.
    pub fn exchange<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
        conn: ConnId,
        attempt: Attempt<H::Outcome>,
        report: impl FnOnce(TaskEnd<H>),
    ) -> (WorkerStep<T>, Wakeups) {
        let (end, mut outcome) = attempt.into_parts();
        let now = self.clock.now();
        let mut state = self.lock();
        let ended = state.handle_end(now, worker, end);
        if let Some(end) = TaskEnd::of_attempt(&ended.result, &mut outcome) {
            report(end);
        }
        let (step, mut wakeups) = state.poll_step(now, worker);
        drop(state);
        wakeups += ended.wakeups;
        self.log.write_end(now, (worker, conn), end, &ended.result);
        self.drop_rest(ended.spent, outcome);
        (step, wakeups)
    }

    /// Handles the restart of a worker that ended without a result, which means that its attempt
    /// panicked. Returns the end to report, before the worker asks for its next job.
    pub fn restart<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
    ) -> (Wakeups, Option<(ConnId, TaskEnd<H>)>) {
        let now = self.clock.now();
        let ended = self.lock().handle_restart(now, worker);
        self.log.write_restart(now, worker);
        let Some(EndedAttempt {
            result,
            spent,
            wakeups,
        }) = ended
        else {
            return (Wakeups::default(), None);
        };
        self.dispose(spent);
        let AttemptResult::Failed(task) = result else {
            return (wakeups, None);
        };
        self.log.write_failure(now, &task);
        let end = TaskEnd::of_failed(&task).map(|end| (task.conn, end));
        (wakeups, end)
    }

    /// Does the rest of [`TaskScheduler::poll_due`] after the lock is released. Returns the ends to
    /// report before the next call.
    fn settle_due<H: Handler<Task = T>>(
        &self,
        due: DueTasks<T>,
    ) -> impl Iterator<Item = (ConnId, TaskEnd<H>)> + use<'_, H, T> {
        let now = self.clock.now();
        for spent in due.spent {
            self.dispose(spent);
        }
        due.failed.into_iter().filter_map(move |task| {
            self.log.write_failure(now, &task);
            Some((task.conn, TaskEnd::of_failed(&task)?))
        })
    }

    /// Drops what an attempt has left of the values of the application, usually only the task.
    fn drop_rest<O>(&self, spent: Option<Spent<T>>, outcome: Option<O>) {
        if let Some(spent) = spent {
            self.dispose(spent);
        }
        if let Some(outcome) = outcome {
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
        self.lock().poll_deadline(now, worker)
    }

    /// Returns the oldest dead letters, at most `limit`, and the number of all.
    pub fn dead_letters(&self, limit: usize) -> (Vec<DeadLetter>, usize) {
        let state = self.lock();
        let letters = state.dispatcher().dead_letters();
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
        self.lock().handle_resubmit(now, id)
    }

    /// [Resubmits](Self::resubmit) all dead letters, oldest first, while there is room. Returns
    /// their number.
    pub fn resubmit_all(&self) -> (usize, Wakeups) {
        let now = self.clock.now();
        self.lock().handle_resubmit_all(now)
    }

    /// Deletes a dead letter. Returns whether it existed.
    pub fn discard(&self, id: u64) -> bool {
        let taken = self.lock().take_dead_letter(id);
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
            let (counts, all) = self.lock().dispatcher().tasks_of(conn, range);
            sum += counts;
            from += TASKS_PER_LOCK;
            if from >= all {
                return sum;
            }
        }
    }

    /// Returns the counters.
    pub fn stats(&self) -> DispatchStats {
        let mut stats = self.lock().dispatcher().stats();
        stats.drops_panicked = self.drops_panicked.load(Ordering::Relaxed);
        stats
    }

    /// Makes delayed and retried tasks due at once, before the shards drain.
    pub fn cancel_delays(&self) -> Wakeups {
        self.lock().cancel_delays()
    }

    /// Refuses further tasks, and ends the timers. The caller wakes all workers, which end when
    /// nothing is left.
    pub fn drain(&self) {
        self.lock().handle_drain();
        self.wake_timer();
    }

    /// Drops unfinished tasks and logs their number.
    pub fn abandon(&self) {
        let abandoned = self.lock().abandon();
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
            let oldest = state.dispatcher().dead_letters().next();
            let Some(id) = oldest.map(|(letter, _)| letter.id) else {
                break;
            };
            let taken = state.take_dead_letter(id);
            drop(state);
            self.dispose(taken);
        }
        for task in self.lock().abandon() {
            self.dispose(task);
        }
    }
}

/// Tasks examined per acquisition of the lock.
const TASKS_PER_LOCK: usize = 1_024;
