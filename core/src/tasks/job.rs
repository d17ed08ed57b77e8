//! Owns what goes into the dispatcher and what it answers: values, no rules.

use core::fmt;

use crate::id::ConnId;
use crate::tasks::shared::SharedTask;
use crate::time::Timestamp;

/// An attempt at a task, for a worker.
#[derive(Debug)]
#[non_exhaustive]
pub struct Job<T> {
    /// Who handed the task in. The connection may have gone by the time it is done.
    pub conn: ConnId,
    /// What is to be done. The dispatcher holds it too until that is so, and another worker may
    /// once this attempt has timed out: a worker makes its attempt at a copy.
    pub task: SharedTask<T>,
    /// Which attempt this is, counted from one.
    pub attempt: u16,
    /// When the attempt counts as failed, whatever becomes of it.
    pub deadline: Timestamp,
}

/// A task was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a worker may have to be woken"]
#[non_exhaustive]
pub struct Submitted {
    /// Whether one more sleeping worker, any one, must be woken. See
    /// [`Dispatcher`](crate::tasks::Dispatcher) on how it has to sleep.
    pub wake: bool,
}

/// A task was not taken. It comes back, so that its connection can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SubmitError<T> {
    /// The task, as it was handed in.
    pub task: T,
    /// Why.
    pub reason: SubmitErrorKind,
}

/// The tasks of one connection that have not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TaskCounts {
    /// Those that wait for a worker, or for another of their line.
    pub waiting: u32,
    /// Those that wait for their delay to end, or for their next attempt.
    pub delayed: u32,
    /// Those at a worker.
    pub running: u32,
}

impl core::ops::AddAssign for TaskCounts {
    fn add_assign(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.delayed += other.delayed;
        self.running += other.running;
    }
}

/// Why a task was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubmitErrorKind {
    /// As many tasks wait as may wait.
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

/// What work says of an attempt that did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Another attempt may succeed.
    Retry,
    /// No attempt ever will.
    Fatal,
}

/// How a worker came to the end of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptEnd {
    /// The task is done.
    Done,
    /// The work says that it failed.
    Failed(Failure),
    /// It panicked.
    Panicked,
    /// It was given up because its time was over.
    TimedOut,
}

/// What an attempt's end means for its task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the connection has to be told"]
pub enum AttemptResult {
    /// It is done.
    Done {
        /// Whether the connection is to be told.
        tell: bool,
    },
    /// It will be tried again.
    Again,
    /// It was the last attempt.
    FailedTask(FailedTask),
    /// The attempt had timed out before, and what became of it does not count.
    Late,
}

/// A task that has failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FailedTask {
    /// Who handed it in.
    pub conn: ConnId,
    /// How the last attempt failed.
    pub cause: FailureCause,
    /// How often it was tried.
    pub attempts: u16,
    /// Whether the connection is to be told. Not of what somebody has
    /// [submitted again](crate::tasks::Dispatcher::handle_resubmit): it was told already.
    pub tell: bool,
}

/// How an attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FailureCause {
    /// The work said that another attempt may succeed.
    Failed,
    /// The work said that none will.
    Fatal,
    /// It panicked.
    Panicked,
    /// It took longer than it may.
    TimedOut,
}

impl FailureCause {
    /// Its name in logs.
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

/// A task that the dispatcher gives up at the end.
#[derive(Debug)]
#[non_exhaustive]
pub struct Abandoned<T> {
    /// Who handed it in.
    pub conn: ConnId,
    /// The task. To be dropped outside the adapter's lock.
    pub task: SharedTask<T>,
    /// Whether a worker is at it, and may yet finish it.
    pub begun: bool,
}
