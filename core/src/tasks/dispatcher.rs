//! Owns the dispatch machine: what becomes of a task from its submission to its end, and the
//! state of each worker. No clock, no threads; sleeping, waking and running are the adapter's.

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
use crate::tasks::table::{State, Tasks};
use crate::tasks::timers::Timers;
use crate::time::Timestamp;

/// The worker-dispatch machine; one per process, behind one lock of the adapter's.
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
/// A worker's life is a loop: [`poll_assign`](Self::poll_assign); with a job, run it
/// outside the lock, report its [`handle_end`](Self::handle_end) and tell the connection;
/// without one, sleep, or end if [`is_draining`](Self::is_draining). Besides, somebody watches
/// the clock: [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so, then [`poll_lost`](Self::poll_lost) to the end.
///
/// **Order.** Tasks of one line ([`TaskOrder`](crate::tasks::TaskOrder)) run one after the other: the
/// next is ready when the end of the last has been told. So an end counts as told when the
/// worker that reported it asks for its next job, and what `poll_lost` has handed out at the next
/// `handle_timeout`. A task that is to be tried again keeps its place, and holds up
/// nobody outside its line. Lines take turns.
///
/// **Time-outs.** A thread cannot be killed. An attempt that takes too long counts as failed, and
/// its task goes on without it; the worker is lost for others until it reports, and what it
/// reports then is late and does not count. Where nobody looked when its time was over, but
/// noticeably later, as after the process was stopped, it has that time once more, once.
///
/// **Waking.** Who is to be woken is said by number: so many more sleeping workers, any of them.
/// There are as many as there are jobs ready that nobody was woken for, and workers asleep.
/// AfterUnlock must not be lost or merged between a worker's poll and its
/// sleep: a condition variable under the same lock will do, or a semaphore with one
/// permit a wake. Then no job is ready while a worker sleeps and nobody is about to wake
/// it. A worker may also poll unasked.
///
/// **Counting.** At any instant, as [`stats`](Self::stats) tells them,
/// - tasks: `submitted = done + failed + abandoned_waiting + abandoned_running + waiting +
///   delayed + running`,
/// - attempts that failed: `attempts_failed + panicked + timed_out = retried + failed`,
/// - dead letters: `failed = dead_letters + dead_dropped + dead_taken`.
pub struct Dispatcher<T> {
    pub(super) tasks: Tasks<T>,
    /// Of those whose delay or backoff is not over, and of the attempts that run.
    pub(super) timers: Timers,
    /// Those that timed out for good, until their connections are told.
    pub(super) lost: VecDeque<(u32, FailedTask)>,
    pub(super) telling: Vec<u32>,
    pub(super) dead: DeadLetters<T>,
    /// What is left of tasks that are over, until somebody takes it to drop it.
    spent: Vec<Spent<T>>,
    backoff: Backoff,
    /// What is asked of a task that says nothing else.
    attempts: u16,
    pub(super) timeout: Duration,
    /// Tasks that may wait.
    limit: usize,
    pub(super) workers: Vec<Worker>,
    asleep: usize,
    pub(super) phase: Phase,
    pub(super) counts: DispatchStats,
}

#[derive(Clone, Copy)]
pub(super) enum Worker {
    Awake,
    Asleep,
    Busy(u32),
    /// Its attempt has timed out; the task is somebody else's by now.
    Overdue,
    /// Has reported, and tells the connection.
    Telling(u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Nothing waits for its time any more, and nothing is tried again.
    Hastened,
    /// Nothing new is taken either.
    Draining,
}

impl<T> Dispatcher<T> {
    /// A dispatcher for `workers` workers, counted from zero, with room for `limit` tasks
    /// besides those being run; with a limit of zero it refuses every task. Attempts, backoff,
    /// time-out and dead letters are as in the configuration.
    ///
    /// What is tried again comes on top of the limit: never more than there are workers.
    pub fn new(workers: u16, limit: usize, config: &Config) -> Self {
        Self {
            tasks: Tasks::new(config.seed()),
            timers: Timers::default(),
            lost: VecDeque::new(),
            telling: Vec::new(),
            dead: DeadLetters::new(config.dead_letters()),
            spent: Vec::new(),
            backoff: Backoff::new(
                config.task_backoff(),
                config.task_backoff_max(),
                config.seed(),
            ),
            attempts: config.task_attempts() as u16, // parsed to fit
            timeout: config.task_timeout(),
            limit: limit.min(MOST_TASKS),
            workers: vec![Worker::Awake; workers.into()],
            asleep: 0,
            phase: Phase::Open,
            counts: DispatchStats::default(),
        }
    }

    /// A connection hands a task in.
    ///
    /// # Errors
    /// The task itself and the reason, if the queue is full or the server is draining.
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

    /// The tasks of a connection that have not ended, of those at some of the places where
    /// tasks are kept; and how many places there are. A task keeps its place until it ends,
    /// so somebody who shares the dispatcher can look at all of them a few at a time.
    pub fn tasks_of(&self, conn: ConnId, places: Range<usize>) -> (TaskCounts, usize) {
        self.tasks.of(conn, places)
    }

    /// A worker asks for its next job: the one that has been ready longest. With `None` the
    /// worker counts as asleep until it asks again.
    ///
    /// A worker that still has a job must report it first; it gets `None`.
    pub fn poll_assign(&mut self, now: Timestamp, worker: WorkerId) -> Option<Job<T>> {
        let was_asleep = match self.worker(worker)? {
            Worker::Awake => false,
            Worker::Asleep => true,
            Worker::Telling(at) => {
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
        entry.state = State::Running(worker);
        let deadline = now.after(entry.options.timeout.unwrap_or(self.timeout));
        (entry.deadline, entry.extended) = (deadline, false);
        self.timers.insert(at, deadline);
        Some(Job {
            conn: entry.conn,
            task: entry.task.share()?, // there as long as it is not over
            attempt: entry.attempt,
            deadline,
        })
    }

    /// A worker has come to the end of its attempt, and has dropped its job. Until it asks for its
    /// next job it tells the connection what it has to. What nobody needs any more is then at
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
                // One that gave up itself has nothing to say.
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
        self.workers[usize::from(worker.0)] = Worker::Telling(at);
        if let Some(cause) = cause {
            return match self.fail(now, at, cause) {
                Some(lost) => AttemptResult::FailedTask(lost),
                None => {
                    self.workers[usize::from(worker.0)] = Worker::Awake;
                    AttemptResult::Again
                }
            };
        }
        self.counts.done += 1;
        let entry = &mut self.tasks[at];
        entry.state = State::Over;
        self.spent.extend(entry.task.take());
        AttemptResult::Done { tell: entry.tell }
    }

    /// A worker has ended without a report, and begins anew. If it was at an attempt, that has
    /// panicked.
    pub fn handle_restart(&mut self, now: Timestamp, worker: WorkerId) -> Option<AttemptResult> {
        self.counts.workers_restarted += 1;
        let at_work = matches!(self.worker(worker)?, Worker::Busy(_) | Worker::Overdue);
        at_work.then(|| self.handle_end(now, worker, AttemptEnd::Panicked))
    }

    /// What is left of a task that is over. There is some after an end, and after a time-out.
    pub fn poll_spent(&mut self) -> Option<Spent<T>> {
        self.spent.pop()
    }

    /// Whether new tasks are refused: a worker that finds no job can end.
    pub const fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining)
    }

    /// Whether every task is over.
    pub const fn is_idle(&self) -> bool {
        self.counts.waiting + self.counts.delayed + self.counts.running == 0
    }

    /// What was counted so far.
    pub fn stats(&self) -> DispatchStats {
        DispatchStats {
            dead_letters: self.dead.len() as u64,
            ..self.counts
        }
    }

    /// Why a task cannot be taken now, if so.
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
        tell: bool,
    ) -> Submitted {
        let ready = self.tasks.ready();
        let number = self.counts.submitted;
        self.counts.submitted += 1;
        let at = self.tasks.insert(number, conn, options, tell);
        put(&mut self.tasks[at].task);
        if options.delay.is_zero() || self.phase != Phase::Open {
            self.counts.waiting += 1;
            self.tasks.line_up(at);
        } else {
            self.counts.delayed += 1;
            self.timers.insert(at, now.after(options.delay));
        }
        Submitted {
            wake: self.wakes_since(ready) > 0,
        }
    }

    /// The delay of a task is over, or the wait between two attempts.
    pub(super) fn end_wait(&mut self, at: u32) {
        self.counts.delayed -= 1;
        self.counts.waiting += 1;
        match self.tasks[at].state {
            State::Delayed => self.tasks.line_up(at),
            _ => self.tasks.make_ready(at),
        }
    }

    /// An attempt has failed. What is to be told if it was the last.
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
        let may_succeed = cause != FailureCause::Fatal && self.phase == Phase::Open;
        if may_succeed && entry.attempt < attempts {
            entry.state = State::BackingOff;
            let wait = self.backoff.wait(entry.attempt);
            self.counts.retried += 1;
            self.counts.delayed += 1;
            self.timers.insert(at, now.after(wait));
            return None;
        }
        entry.state = State::Over;
        self.counts.failed += 1;
        let lost = FailedTask {
            conn: entry.conn,
            cause,
            attempts: entry.attempt,
            tell: entry.tell,
        };
        if let Some(task) = entry.task.take_shared() {
            let letter = DeadLetter {
                id: 0,
                conn: lost.conn,
                attempts: lost.attempts,
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
        Some(lost)
    }

    /// How many sleepers there are for the jobs that have become ready since so many were.
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

/// As many as there are numbers for.
const MOST_TASKS: usize = u32::MAX as usize - 2 * u16::MAX as usize;
