//! The dispatcher of a server behind its lock, shared by workers, shards and the timer.
//!
//! No code of the application runs under the lock, none runs where a panic would not be caught, and
//! nothing is logged under the lock. How a worker waits for a task, what a task runs on, and what
//! waits for deadlines is the adapter's.

mod contain;
mod locked;
mod shared;
#[cfg(test)]
mod tests;

use stentor_core::{AttemptEnd, ConnId, FailedTask, Failure, Job, Spent, TaskOptions, Timestamp};

pub use contain::{contain, dispose};
pub use locked::LockedDispatcher;
pub use shared::SharedDispatcher;

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

/// Wake-ups to perform after the lock is released. They must not be lost, see
/// [`Dispatcher`](stentor_core::Dispatcher).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use = "workers would sleep on"]
pub struct Wakeups {
    /// Number of sleeping workers to wake, any of them.
    pub workers: usize,
    /// Whether to wake the timer: there is an earlier deadline than the one it waits for.
    pub timer: bool,
}

/// The next step of a worker.
#[derive(Debug)]
pub enum Next<T> {
    /// Run this job.
    Job(Job<T>),
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
    fn into_parts(self) -> (AttemptEnd, Option<O>) {
        match self {
            Self::Ended(Ok(outcome)) => (AttemptEnd::Done, Some(outcome)),
            Self::Ended(Err(failure)) => (AttemptEnd::Failed(failure), None),
            Self::Panicked => (AttemptEnd::Panicked, None),
            Self::TimedOut => (AttemptEnd::TimedOut, None),
        }
    }
}

/// Work that became due as time passed.
#[derive(Debug)]
#[must_use = "ends of tasks must be reported to shards"]
pub struct Due<T> {
    /// Wake-ups to perform.
    pub wakeups: Wakeups,
    /// The next deadline, unless a wake-up comes first.
    pub until: Option<Timestamp>,
    failed: Vec<(FailedTask, Option<u64>)>,
    spent: Vec<Spent<T>>,
}

impl<T> Due<T> {
    /// Returns whether there is nothing to do but wait.
    pub fn is_empty(&self) -> bool {
        self.wakeups == Wakeups::default() && self.failed.is_empty() && self.spent.is_empty()
    }
}
