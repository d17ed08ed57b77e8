//! Worker dispatch: order, delays, attempts, time-outs, dead letters and counts of tasks.
//!
//! Does not know what a task is or what its result means: the adapter runs it and takes the outcome
//! to the shard of its connection.

mod backoff;
mod dead;
mod dispatcher;
mod job;
mod options;
mod resubmit;
mod scheduler;
mod shared;
mod shutdown;
mod table;
mod timeouts;
mod timers;

#[cfg(test)]
mod compare;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

pub use dead::DeadLetter;
pub use dispatcher::Dispatcher;
pub use job::{
    Abandoned, AttemptEnd, AttemptResult, FailedTask, Failure, FailureCause, Job, SubmitError,
    SubmitErrorKind, Submitted, TaskCounts,
};
pub use options::{TaskOptions, TaskOrder};
pub use scheduler::{
    Attempt, DueTasks, EndedAttempt, Submission, TaskScheduler, Wakeups, WorkerStep,
};
pub use shared::{SharedTask, Spent};
