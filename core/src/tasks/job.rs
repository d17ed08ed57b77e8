//! Values that go into the dispatcher and come out of it.

use core::fmt;

use crate::id::ConnId;
use crate::tasks::shared::SharedTask;
use crate::time::Timestamp;

/// An attempt at a task, for a worker.
#[derive(Debug)]
#[non_exhaustive]
pub struct Job<T> {
    /// The connection that submitted the task. It may have closed before the task ends.
    pub conn: ConnId,
    /// The task. The dispatcher also holds it until it ends, and another worker may hold it once
    /// this attempt has timed out, so a worker makes its attempt at a copy.
    pub task: SharedTask<T>,
    /// The number of this attempt, counted from one.
    pub attempt: u16,
    /// The time at which the attempt counts as failed, even if it later succeeds.
    pub deadline: Timestamp,
}

/// The result of a submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a worker may have to be woken"]
#[non_exhaustive]
pub struct Submitted {
    /// Whether one more sleeping worker must be woken. See [`Dispatcher`](crate::tasks::Dispatcher)
    /// on how workers must sleep.
    pub wake: bool,
}

/// A refused task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SubmitError<T> {
    /// The task, for the notification of its connection.
    pub task: T,
    /// The reason.
    pub reason: SubmitErrorKind,
}

/// The tasks of one connection that have not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TaskCounts {
    /// Tasks that wait for a worker, or for another task with their ordering key.
    pub waiting: u32,
    /// Tasks that wait for the end of their delay, or for their next attempt.
    pub delayed: u32,
    /// Tasks at a worker.
    pub running: u32,
}

impl core::ops::AddAssign for TaskCounts {
    fn add_assign(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.delayed += other.delayed;
        self.running += other.running;
    }
}

/// The reason for which a task was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubmitErrorKind {
    /// The queue is at its limit.
    QueueFull,
    /// The server is shutting down.
    Draining,
}

impl fmt::Display for SubmitErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull => "the task queue is full",
            Self::Draining => "the server is shutting down",
        })
    }
}

/// An attempt's own statement of its failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Another attempt may succeed.
    Retry,
    /// No attempt will succeed.
    Fatal,
}

/// The end of an attempt, as a worker reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptEnd {
    /// The task is done.
    Done,
    /// The attempt returned a failure.
    Failed(Failure),
    /// The attempt panicked.
    Panicked,
    /// The worker stopped the attempt at its deadline.
    TimedOut,
}

/// The effect of an attempt's end on its task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the connection may have to be notified"]
pub enum AttemptResult {
    /// The task is done.
    Done {
        /// Whether the connection is to be notified.
        notify: bool,
    },
    /// The task waits for its next attempt.
    Retry,
    /// The attempt was the last; the task has failed for good.
    Failed(FailedTask),
    /// The attempt had timed out before, so its result does not count.
    Late,
}

/// A task that has failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FailedTask {
    /// The connection that submitted the task.
    pub conn: ConnId,
    /// The failure of the last attempt.
    pub cause: FailureCause,
    /// The number of attempts.
    pub attempts: u16,
    /// Whether the connection is to be notified. False for a task that was [submitted
    /// again](crate::tasks::Dispatcher::handle_resubmit): its connection was notified before.
    pub notify: bool,
}

/// The failure of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FailureCause {
    /// The attempt returned a failure after which another attempt may succeed.
    Failed,
    /// The attempt returned a failure after which no attempt will succeed.
    Fatal,
    /// The attempt panicked.
    Panicked,
    /// The attempt exceeded its time.
    TimedOut,
}

impl FailureCause {
    /// Returns the name in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Fatal => "fatal",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A task that had not ended at the end of the shutdown.
#[derive(Debug)]
#[non_exhaustive]
pub struct Abandoned<T> {
    /// The connection that submitted the task.
    pub conn: ConnId,
    /// The task. Drop it outside the adapter's lock.
    pub task: SharedTask<T>,
    /// Whether a worker has it and may still finish it.
    pub begun: bool,
}
