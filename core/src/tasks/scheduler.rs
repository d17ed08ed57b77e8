//! Dispatcher with what surrounds it in every adapter: wake-ups, the next step of a worker, batches
//! of submissions, and what is due. The lock around it and the waiting are the adapter's.

use alloc::vec::Vec;
use core::ops::AddAssign;

use crate::config::Config;
use crate::id::{ConnId, WorkerId};
use crate::tasks::dead::DeadLetter;
use crate::tasks::dispatcher::Dispatcher;
use crate::tasks::job::{
    Abandoned, AttemptEnd, AttemptResult, FailedTask, Failure, Job, SubmitErrorKind,
};
use crate::tasks::options::TaskOptions;
use crate::tasks::shared::{SharedTask, Spent};
use crate::time::Timestamp;

/// A [`Dispatcher`] for workers that sleep, shards that submit in batches, and one timer.
///
/// Methods that make a task ready or a deadline earlier return [`Wakeups`].
#[derive(Debug)]
pub struct TaskScheduler<T> {
    dispatcher: Dispatcher<T>,
    /// The deadline that the timer waits for.
    armed: Option<Timestamp>,
}

/// A task that a connection submits.
#[derive(Debug)]
pub struct Submission<T> {
    /// The connection.
    pub conn: ConnId,
    /// The task.
    pub task: T,
    /// Delay, order and number of attempts.
    pub options: TaskOptions,
}

/// Wake-ups to perform, after the lock is released if there is one. They must not be lost, see
/// [`Dispatcher`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use = "workers would sleep on"]
pub struct Wakeups {
    /// Number of sleeping workers to wake, any of them.
    pub workers: usize,
    /// Whether to wake the timer: there is an earlier deadline than the one it waits for.
    pub timer: bool,
}

impl AddAssign for Wakeups {
    fn add_assign(&mut self, other: Self) {
        self.workers += other.workers;
        self.timer |= other.timer;
    }
}

/// The next step of a worker.
#[derive(Debug)]
pub enum WorkerStep<T> {
    /// Run this job.
    Run(Job<T>),
    /// Sleep until woken.
    Sleep,
    /// End.
    End,
}

/// The result of an attempt at a task.
#[derive(Debug)]
pub enum Attempt<O> {
    /// It returned.
    Ended(Result<O, Failure>),
    /// It panicked.
    Panicked,
    /// It was cancelled at its deadline.
    TimedOut,
}

impl<O> Attempt<O> {
    /// Splits the result into its kind and the outcome.
    pub fn into_parts(self) -> (AttemptEnd, Option<O>) {
        match self {
            Self::Ended(Ok(outcome)) => (AttemptEnd::Done, Some(outcome)),
            Self::Ended(Err(failure)) => (AttemptEnd::Failed(failure), None),
            Self::Panicked => (AttemptEnd::Panicked, None),
            Self::TimedOut => (AttemptEnd::TimedOut, None),
        }
    }
}

/// What follows from the end of an attempt.
#[derive(Debug)]
#[must_use = "the connection may have to be notified"]
pub struct EndedAttempt<T> {
    /// The effect on the task.
    pub result: AttemptResult,
    /// An ended task to drop.
    pub spent: Option<Spent<T>>,
    /// Wake-ups to perform.
    pub wakeups: Wakeups,
}

/// What became due as time passed.
#[derive(Debug)]
#[must_use = "ends of tasks must be reported to shards"]
pub struct DueTasks<T> {
    /// Wake-ups to perform.
    pub wakeups: Wakeups,
    /// The next deadline, unless a wake-up comes first.
    pub until: Option<Timestamp>,
    /// Tasks whose last attempt timed out, to be reported before the next call.
    pub failed: Vec<FailedTask>,
    /// Ended tasks to drop.
    pub spent: Vec<Spent<T>>,
}

impl<T> DueTasks<T> {
    /// Returns whether there is nothing to do but wait.
    pub const fn is_empty(&self) -> bool {
        let Wakeups { workers, timer } = self.wakeups;
        workers == 0 && !timer && self.failed.is_empty() && self.spent.is_empty()
    }
}

impl<T> TaskScheduler<T> {
    /// Returns a scheduler without tasks; the parameters are those of [`Dispatcher::new`].
    pub fn new(workers: u16, limit: usize, config: &Config) -> Self {
        Self {
            dispatcher: Dispatcher::new(workers, limit, config),
            armed: None,
        }
    }

    /// Returns the dispatcher: its counters, dead letters and tasks.
    pub const fn dispatcher(&self) -> &Dispatcher<T> {
        &self.dispatcher
    }

    /// Submits tasks in order and leaves the buffer empty. Returns the tasks that were refused.
    pub fn handle_submit_all(
        &mut self,
        now: Timestamp,
        tasks: &mut Vec<Submission<T>>,
    ) -> (Wakeups, Vec<(ConnId, T)>) {
        let (mut workers, mut refused) = (0, Vec::new());
        for submission in tasks.drain(..) {
            let Submission {
                conn,
                task,
                options,
            } = submission;
            match self.dispatcher.handle_submit(now, conn, task, options) {
                Ok(submitted) => workers += usize::from(submitted.wake),
                Err(back) => refused.push((conn, back.task)),
            }
        }
        (self.wakeups(workers), refused)
    }

    /// Returns the next step of a worker. It must fall asleep before another call can wake it,
    /// under the same lock for example.
    pub fn poll_step(&mut self, now: Timestamp, worker: WorkerId) -> (WorkerStep<T>, Wakeups) {
        let step = match self.dispatcher.poll_assign(now, worker) {
            Some(job) => WorkerStep::Run(job),
            None if self.dispatcher.is_draining() => WorkerStep::End,
            None => WorkerStep::Sleep,
        };
        (step, self.wakeups(0))
    }

    /// Handles the end of an attempt, see [`Dispatcher::handle_end`].
    pub fn handle_end(
        &mut self,
        now: Timestamp,
        worker: WorkerId,
        end: AttemptEnd,
    ) -> EndedAttempt<T> {
        let result = self.dispatcher.handle_end(now, worker, end);
        self.ended(result)
    }

    /// Handles the restart of a worker that ended without a result. Returns the end of the attempt
    /// that it made, which counts as panicked.
    pub fn handle_restart(&mut self, now: Timestamp, worker: WorkerId) -> Option<EndedAttempt<T>> {
        let result = self.dispatcher.handle_restart(now, worker)?;
        Some(self.ended(result))
    }

    /// Handles the deadlines that have passed. Returns `None` if the timer must end.
    pub fn poll_due(&mut self, now: Timestamp) -> Option<DueTasks<T>> {
        if self.dispatcher.is_draining() {
            return None;
        }
        let workers = self.dispatcher.handle_timeout(now);
        let failed = core::iter::from_fn(|| self.dispatcher.poll_failed()).collect();
        let spent = core::iter::from_fn(|| self.dispatcher.poll_spent()).collect();
        self.armed = self.dispatcher.poll_timeout();
        Some(DueTasks {
            wakeups: Wakeups {
                workers,
                timer: false,
            },
            until: self.armed,
            failed,
            spent,
        })
    }

    /// Returns the deadline of an attempt, see [`Dispatcher::poll_deadline`].
    pub fn poll_deadline(&mut self, now: Timestamp, worker: WorkerId) -> Option<Timestamp> {
        self.dispatcher.poll_deadline(now, worker)
    }

    /// Submits a dead letter again, see [`Dispatcher::handle_resubmit`].
    ///
    /// # Errors
    /// Returns an error if the task is refused; then it remains a dead letter.
    pub fn handle_resubmit(
        &mut self,
        now: Timestamp,
        id: u64,
    ) -> Result<Option<Wakeups>, SubmitErrorKind> {
        let submitted = self.dispatcher.handle_resubmit(now, id)?;
        Ok(submitted.map(|submitted| self.wakeups(submitted.wake.into())))
    }

    /// Submits all dead letters again, oldest first, while there is room. Returns their number.
    pub fn handle_resubmit_all(&mut self, now: Timestamp) -> (usize, Wakeups) {
        let (tasks, workers) = self.dispatcher.handle_resubmit_all(now);
        (tasks, self.wakeups(workers))
    }

    /// Removes a dead letter, see [`Dispatcher::take_dead_letter`].
    pub fn take_dead_letter(&mut self, id: u64) -> Option<(DeadLetter, SharedTask<T>)> {
        self.dispatcher.take_dead_letter(id)
    }

    /// Makes delayed and retried tasks due at once, before the shards drain.
    pub fn cancel_delays(&mut self) -> Wakeups {
        let workers = self.dispatcher.cancel_delays();
        self.wakeups(workers)
    }

    /// Refuses further tasks. The caller wakes all workers, which end when nothing is left, and the
    /// timer.
    pub fn handle_drain(&mut self) {
        self.dispatcher.handle_drain();
    }

    /// Returns every task that has not ended, see [`Dispatcher::abandon`].
    pub fn abandon(&mut self) -> impl ExactSizeIterator<Item = Abandoned<T>> + use<T> {
        self.dispatcher.abandon()
    }

    fn ended(&mut self, result: AttemptResult) -> EndedAttempt<T> {
        EndedAttempt {
            result,
            spent: self.dispatcher.poll_spent(),
            wakeups: self.wakeups(0),
        }
    }

    /// Returns the wake-ups after a call, including `workers` sleeping workers.
    fn wakeups(&mut self, workers: usize) -> Wakeups {
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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::time::Duration;

    use super::*;
    use crate::id::ShardId;

    const WORKER: WorkerId = WorkerId(0);
    const CONN: ConnId = ConnId::new(ShardId(0), 0, 1);
    const NOW: Timestamp = Timestamp::ORIGIN;
    const NONE: Wakeups = Wakeups {
        workers: 0,
        timer: false,
    };
    const TIMER: Wakeups = Wakeups {
        timer: true,
        ..NONE
    };

    fn scheduler() -> TaskScheduler<u8> {
        let config = Config::builder().task_attempts(1).build().expect("valid");
        TaskScheduler::new(2, 3, &config)
    }

    fn submission(task: u8, options: TaskOptions) -> Submission<u8> {
        Submission {
            conn: CONN,
            task,
            options,
        }
    }

    fn submit(scheduler: &mut TaskScheduler<u8>, options: TaskOptions) -> Wakeups {
        let (wakeups, refused) =
            scheduler.handle_submit_all(NOW, &mut vec![submission(1, options)]);
        assert!(refused.is_empty());
        wakeups
    }

    /// Returns the wake-ups that come with a job.
    fn run(scheduler: &mut TaskScheduler<u8>) -> Wakeups {
        let (step, wakeups) = scheduler.poll_step(NOW, WORKER);
        assert!(matches!(step, WorkerStep::Run(job) if *job.task == 1));
        wakeups
    }

    #[test]
    fn a_sleeping_worker_is_woken_and_the_timer_only_for_an_earlier_deadline() {
        let mut scheduler = scheduler();
        let first = scheduler.poll_step(NOW, WORKER);
        assert!(matches!(first, (WorkerStep::Sleep, NONE)));
        let worker = Wakeups { workers: 1, ..NONE };
        assert_eq!(submit(&mut scheduler, TaskOptions::new()), worker);
        assert_eq!(run(&mut scheduler), TIMER, "its attempt may time out");
        let ended = scheduler.handle_end(NOW, WORKER, AttemptEnd::Done);
        assert_eq!(ended.result, AttemptResult::Done { notify: true });
        assert!(ended.spent.is_some());
        assert_eq!(ended.wakeups, NONE);
        // Later than the deadline that the timer waits for, and then earlier.
        assert_eq!(submit(&mut scheduler, TaskOptions::new()), NONE);
        assert_eq!(run(&mut scheduler), NONE);
        let soon = TaskOptions::new().delay(Duration::from_secs(9));
        assert_eq!(submit(&mut scheduler, soon), TIMER);
        let due = scheduler.poll_due(NOW).expect("it goes on");
        assert!(due.until.is_some() && due.is_empty());
        assert_eq!(scheduler.cancel_delays(), NONE, "no worker sleeps");
        scheduler.handle_drain();
        assert!(scheduler.poll_due(NOW).is_none());
    }

    #[test]
    fn a_task_that_times_out_is_due_at_the_deadline_that_the_timer_was_woken_for() {
        let mut scheduler = scheduler();
        assert_eq!(submit(&mut scheduler, TaskOptions::new()), NONE);
        assert_eq!(run(&mut scheduler), TIMER);
        let due = scheduler.poll_due(NOW).expect("it goes on");
        let until = due.until.expect("the deadline of the attempt");
        let due = scheduler.poll_due(until).expect("it goes on");
        assert_eq!(due.failed.len(), 1);
        assert_eq!(due.failed[0].conn, CONN);
        assert!(due.until.is_some_and(|again| again <= until));
        let due = scheduler.poll_due(until).expect("it goes on");
        assert!(due.is_empty() && due.until.is_none());
    }

    #[test]
    fn a_task_that_finds_no_room_is_returned() {
        let mut scheduler = scheduler();
        let mut tasks: Vec<_> = (0..5)
            .map(|task| submission(task, TaskOptions::new()))
            .collect();
        let (wakeups, refused) = scheduler.handle_submit_all(NOW, &mut tasks);
        assert_eq!((wakeups, tasks.len()), (NONE, 0));
        assert_eq!(refused, [(CONN, 3), (CONN, 4)]);
        assert_eq!(scheduler.dispatcher().stats().waiting, 3);
    }

    #[test]
    fn a_worker_that_restarts_has_panicked_if_it_had_a_job() {
        let mut scheduler = scheduler();
        assert!(scheduler.handle_restart(NOW, WORKER).is_none());
        assert_eq!(submit(&mut scheduler, TaskOptions::new()), NONE);
        assert_eq!(run(&mut scheduler), TIMER);
        let ended = scheduler.handle_restart(NOW, WORKER).expect("a job");
        assert!(matches!(ended.result, AttemptResult::Failed(task) if task.attempts == 1));
        scheduler.handle_drain();
        let step = scheduler.poll_step(NOW, WORKER);
        assert!(matches!(step, (WorkerStep::End, NONE)));
    }
}
