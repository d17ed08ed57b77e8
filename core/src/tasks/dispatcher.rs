//! Dispatch machine: the state of each task from submission to end, and the state of each worker.
//!
//! Has no clock and no threads. Sleeping, waking and running are the adapter's.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::time::Duration;

use crate::config::Config;
use crate::id::{ConnId, WorkerId};
use crate::stats::DispatchStats;
use crate::tasks::backoff::Backoff;
use crate::tasks::dead::{DeadLetter, DeadLetters, DeadTask};
use crate::tasks::job::{
    AttemptEnd, AttemptResult, FailedTask, Failure, FailureCause, Job, SubmitError,
    SubmitErrorKind, Submitted, TaskCounts,
};
use crate::tasks::options::TaskOptions;
use crate::tasks::shared::{Cell, SharedTask, Spent};
use crate::tasks::table::{TaskState, Tasks};
use crate::tasks::timers::Timers;
use crate::time::Timestamp;

/// The worker-dispatch machine; one per process, behind one lock of the adapter.
///
/// ```text
///                 its delay                       a worker
///              +-> delayed --+              +--> running --+--> done
///   submitted -+             +--> waiting --+      |       |
///              +-------------+       ^              fails  +--> failed: a dead letter
///                                    |               |
///                                    +- backing off <+ attempts are left
/// ```
///
/// A worker runs a loop. It calls [`poll_assign`](Self::poll_assign). With a job, it runs the job
/// outside the lock, calls [`handle_end`](Self::handle_end) and notifies the connection. Without
/// one, it sleeps, or ends if [`is_draining`](Self::is_draining). A timer thread or task calls
/// [`handle_timeout`](Self::handle_timeout) at the time that [`poll_timeout`](Self::poll_timeout)
/// returns, then [`poll_failed`](Self::poll_failed) until it returns `None`.
///
/// **Order.** Tasks with one ordering key ([`TaskOrder`](crate::tasks::TaskOrder)) run one after
/// the other: the next is ready when the end of the previous one has been reported. The end that a
/// worker handles counts as reported when that worker asks for its next job; a task from
/// `poll_failed` counts as reported at the next `handle_timeout`. A task that waits for its next
/// attempt keeps its place and delays only tasks with its key. Keys are served round-robin.
///
/// **Time-outs.** A thread cannot be killed. An attempt that exceeds its time counts as failed, and
/// its task continues without it. The worker is unavailable until it reports; that report is late
/// and does not count. If the time-out is noticed late, as after the process was
/// stopped, the attempt gets its time once more, once.
///
/// **Waking.** Methods return the number of sleeping workers to wake, in any choice: the jobs that
/// became ready, limited by the workers asleep. A wake must not be failed or merged between a
/// worker's poll and its sleep. A condition variable under the same lock meets this, and so does a
/// semaphore with one permit per wake. No job is then ready while a worker sleeps and no wake is
/// pending. A worker may also poll without a wake.
///
/// **Counting.** At any instant, in [`stats`](Self::stats):
/// - tasks: `submitted = done + failed + abandoned_waiting + abandoned_running + waiting + delayed
///   + running`,
/// - failed attempts: `attempts_failed + panicked + timed_out = retried + failed`,
/// - dead letters: `failed = dead_letters + dead_dropped + dead_taken`.
pub struct Dispatcher<T> {
    pub(super) tasks: Tasks<T>,
    /// The ends of delays and backoffs, and the deadlines of attempts.
    pub(super) timers: Timers,
    /// Tasks whose last attempt timed out, until [`poll_failed`](Self::poll_failed) returns them.
    pub(super) failed: VecDeque<(u32, FailedTask)>,
    pub(super) reporting: Vec<u32>,
    pub(super) dead: DeadLetters<T>,
    /// Ended tasks, until [`poll_spent`](Self::poll_spent) returns them to be dropped.
    spent: Vec<Spent<T>>,
    backoff: Backoff,
    /// The default of [`TaskOptions::attempts`].
    attempts: u16,
    pub(super) timeout: Duration,
    /// The maximum number of waiting and delayed tasks.
    limit: usize,
    pub(super) workers: Vec<Worker>,
    asleep: usize,
    pub(super) phase: DispatchPhase,
    pub(super) counts: DispatchStats,
}

#[derive(Clone, Copy)]
pub(super) enum Worker {
    Awake,
    Asleep,
    Busy(u32),
    /// Its attempt has timed out; the task continues without it.
    Overdue,
    /// Has ended its attempt and notifies the connection.
    Reporting(u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DispatchPhase {
    Open,
    /// Delays are skipped and failed attempts are not retried.
    DelaysCancelled,
    /// New tasks are refused, too.
    Draining,
}

impl<T> Dispatcher<T> {
    /// Returns a dispatcher for `workers` workers, numbered from zero, with room for `limit` tasks
    /// besides those at workers. With a limit of zero it refuses every task. The configuration sets
    /// attempts, backoff, time-out and dead letters.
    ///
    /// Tasks that wait for their next attempt may exceed the limit, by the number of workers at
    /// most.
    pub fn new(workers: u16, limit: usize, config: &Config) -> Self {
        Self {
            tasks: Tasks::new(config.seed()),
            timers: Timers::default(),
            failed: VecDeque::new(),
            reporting: Vec::new(),
            dead: DeadLetters::new(config.dead_letters()),
            spent: Vec::new(),
            backoff: Backoff::new(
                config.task_backoff(),
                config.task_backoff_max(),
                config.seed(),
            ),
            attempts: config.task_attempts() as u16, // parsed to fit
            timeout: config.task_timeout(),
            limit: limit.min(MAX_TASKS),
            workers: vec![Worker::Awake; workers.into()],
            asleep: 0,
            phase: DispatchPhase::Open,
            counts: DispatchStats::default(),
        }
    }

    /// Submits a task of a connection.
    ///
    /// # Errors
    /// Returns the task and the reason if the queue is full or the server is draining.
    pub fn handle_submit(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        task: T,
        options: TaskOptions,
    ) -> Result<Submitted, SubmitError<T>> {
        let Some(reason) = self.refusal() else {
            return Ok(self.admit(now, conn, |cell| cell.put(task), options, true));
        };
        *match reason {
            SubmitErrorKind::QueueFull => &mut self.counts.refused_full,
            SubmitErrorKind::Draining => &mut self.counts.refused_draining,
        } += 1;
        Err(SubmitError { task, reason })
    }

    /// Counts the tasks of a connection that have not ended, of those in these slots of the table,
    /// and returns the number of slots. A task keeps its slot until it ends, so a caller that
    /// shares the dispatcher can look at a few slots at a time.
    pub fn tasks_of(&self, conn: ConnId, slots: Range<usize>) -> (TaskCounts, usize) {
        self.tasks.count_of(conn, slots)
    }

    /// Returns the next job of a worker: the one that has been ready for longest. After `None` the
    /// worker counts as asleep until it asks again.
    ///
    /// A worker that still has a job must report it first; it gets `None`.
    pub fn poll_assign(&mut self, now: Timestamp, worker: WorkerId) -> Option<Job<T>> {
        let was_asleep = match self.worker(worker)? {
            Worker::Awake => false,
            Worker::Asleep => true,
            Worker::Reporting(at) => {
                self.tasks.remove(at);
                false
            }
            Worker::Busy(_) | Worker::Overdue => {
                debug_assert!(
                    false,
                    "worker {worker} asks for a job before it has reported the last"
                );
                return None;
            }
        };
        let found = self.tasks.take_ready();
        match (was_asleep, found.is_some()) {
            (true, true) => self.asleep -= 1,
            (false, false) => self.asleep += 1,
            (true, false) | (false, true) => {}
        }
        let Some(at) = found else {
            self.workers[usize::from(worker.0)] = Worker::Asleep;
            return None;
        };
        self.workers[usize::from(worker.0)] = Worker::Busy(at);
        self.counts.waiting -= 1;
        self.counts.running += 1;
        let entry = &mut self.tasks[at];
        entry.attempt += 1;
        entry.state = TaskState::Running(worker);
        let deadline = now.after(entry.options.timeout.unwrap_or(self.timeout));
        (entry.deadline, entry.extended) = (deadline, false);
        self.timers.insert(at, deadline);
        Some(Job {
            conn: entry.conn,
            task: entry.task.share()?, // present until the task has ended
            attempt: entry.attempt,
            deadline,
        })
    }

    /// Handles the end of a worker's attempt. The worker has dropped its job, and notifies the
    /// connection before it asks for its next job. Ended tasks are then at
    /// [`poll_spent`](Self::poll_spent).
    pub fn handle_end(
        &mut self,
        now: Timestamp,
        worker: WorkerId,
        end: AttemptEnd,
    ) -> AttemptResult {
        let at = match self.worker(worker) {
            Some(Worker::Busy(at)) => at,
            Some(Worker::Overdue) => {
                self.workers[usize::from(worker.0)] = Worker::Awake;
                self.counts.overdue -= 1;
                // An attempt that the worker itself gave up is not late.
                self.counts.late += u64::from(end != AttemptEnd::TimedOut);
                return AttemptResult::Late;
            }
            _ => {
                debug_assert!(false, "worker {worker} reports a job that it does not have");
                return AttemptResult::Late;
            }
        };
        self.timers.remove(at);
        self.counts.running -= 1;
        let cause = match end {
            AttemptEnd::Done => None,
            AttemptEnd::Failed(Failure::Retry) => Some(FailureCause::Failed),
            AttemptEnd::Failed(Failure::Fatal) => Some(FailureCause::Fatal),
            AttemptEnd::Panicked => Some(FailureCause::Panicked),
            AttemptEnd::TimedOut => Some(FailureCause::TimedOut),
        };
        self.workers[usize::from(worker.0)] = Worker::Reporting(at);
        if let Some(cause) = cause {
            return match self.fail(now, at, cause) {
                Some(failed) => AttemptResult::Failed(failed),
                None => {
                    self.workers[usize::from(worker.0)] = Worker::Awake;
                    AttemptResult::Retry
                }
            };
        }
        self.counts.done += 1;
        let entry = &mut self.tasks[at];
        entry.state = TaskState::Ended;
        self.spent.extend(entry.task.take());
        AttemptResult::Done {
            notify: entry.notify,
        }
    }

    /// Handles the end of a worker that has restarted without a report. If it had a job, that
    /// attempt has panicked.
    pub fn handle_restart(&mut self, now: Timestamp, worker: WorkerId) -> Option<AttemptResult> {
        self.counts.workers_restarted += 1;
        let at_work = matches!(self.worker(worker)?, Worker::Busy(_) | Worker::Overdue);
        at_work.then(|| self.handle_end(now, worker, AttemptEnd::Panicked))
    }

    /// Returns an ended task to be dropped. There may be some after an end and after a time-out.
    pub fn poll_spent(&mut self) -> Option<Spent<T>> {
        self.spent.pop()
    }

    /// Returns whether new tasks are refused, so that a worker without a job can end.
    pub const fn is_draining(&self) -> bool {
        matches!(self.phase, DispatchPhase::Draining)
    }

    /// Returns whether every task has ended.
    pub const fn is_idle(&self) -> bool {
        self.counts.waiting + self.counts.delayed + self.counts.running == 0
    }

    /// Returns the counts.
    pub fn stats(&self) -> DispatchStats {
        DispatchStats {
            dead_letters: self.dead.len() as u64,
            ..self.counts
        }
    }

    /// Returns the reason why a task cannot be taken now, if there is one.
    pub(super) const fn refusal(&self) -> Option<SubmitErrorKind> {
        if self.is_draining() {
            Some(SubmitErrorKind::Draining)
        } else if self.counts.waiting + self.counts.delayed >= self.limit as u64 {
            Some(SubmitErrorKind::QueueFull)
        } else {
            None
        }
    }

    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        put: impl FnOnce(&mut Cell<T>),
        options: TaskOptions,
        notify: bool,
    ) -> Submitted {
        let ready = self.tasks.ready();
        let number = self.counts.submitted;
        self.counts.submitted += 1;
        let at = self.tasks.insert(number, conn, options, notify);
        put(&mut self.tasks[at].task);
        if options.delay.is_zero() || self.phase != DispatchPhase::Open {
            self.counts.waiting += 1;
            self.tasks.enqueue(at);
        } else {
            self.counts.delayed += 1;
            self.timers.insert(at, now.after(options.delay));
        }
        Submitted {
            wake: self.wakes_since(ready) > 0,
        }
    }

    /// Ends the delay or the backoff of a task.
    pub(super) fn end_delay(&mut self, at: u32) {
        self.counts.delayed -= 1;
        self.counts.waiting += 1;
        match self.tasks[at].state {
            TaskState::Delayed => self.tasks.enqueue(at),
            _ => self.tasks.make_ready(at),
        }
    }

    /// Handles a failed attempt. Returns the task if the attempt was its last.
    pub(super) fn fail(
        &mut self,
        now: Timestamp,
        at: u32,
        cause: FailureCause,
    ) -> Option<FailedTask> {
        *match cause {
            FailureCause::Failed | FailureCause::Fatal => &mut self.counts.attempts_failed,
            FailureCause::Panicked => &mut self.counts.panicked,
            FailureCause::TimedOut => &mut self.counts.timed_out,
        } += 1;
        let entry = &mut self.tasks[at];
        let attempts = entry.options.attempts.unwrap_or(self.attempts);
        let may_succeed = cause != FailureCause::Fatal && self.phase == DispatchPhase::Open;
        if may_succeed && entry.attempt < attempts {
            entry.state = TaskState::BackingOff;
            let wait = self.backoff.wait(entry.attempt);
            self.counts.retried += 1;
            self.counts.delayed += 1;
            self.timers.insert(at, now.after(wait));
            return None;
        }
        entry.state = TaskState::Ended;
        self.counts.failed += 1;
        let failed = FailedTask {
            conn: entry.conn,
            cause,
            attempts: entry.attempt,
            notify: entry.notify,
        };
        if let Some(task) = entry.task.take_shared() {
            let letter = DeadLetter {
                id: 0,
                conn: failed.conn,
                attempts: failed.attempts,
                cause,
                at: now,
            };
            let options = entry.options;
            let dropped = self.dead.add(DeadTask {
                letter,
                task,
                options,
            });
            self.counts.dead_dropped += u64::from(dropped.is_some());
            self.spent.extend(dropped.map(SharedTask::into_spent));
        }
        Some(failed)
    }

    /// Returns the number of sleeping workers to wake, where `ready` is the number of jobs that
    /// were ready before.
    pub(super) fn wakes_since(&self, ready: usize) -> usize {
        let woken = self.asleep.min(ready);
        self.asleep.min(self.tasks.ready()).saturating_sub(woken)
    }

    pub(super) fn worker(&self, worker: WorkerId) -> Option<Worker> {
        let found = self.workers.get(usize::from(worker.0)).copied();
        debug_assert!(found.is_some(), "worker {worker} does not exist");
        found
    }
}

impl<T> fmt::Debug for Dispatcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("limit", &self.limit)
            .field("workers", &self.workers.len())
            .field("asleep", &self.asleep)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// The table numbers its slots with 32 bits.
const MAX_TASKS: usize = u32::MAX as usize - 2 * u16::MAX as usize;
