//! Worker dispatch: tasks that connections hand in, and the workers that run
//! them. Owns what lies between: order, delays, attempts, time-outs, what has failed for good,
//! who is busy with what, and the counts. Knows neither what a task is nor what came out of it:
//! the adapter runs it and takes the outcome to the connection's shard.

mod backoff;
mod dead;
mod dispatcher;
mod job;
mod options;
mod resubmit;
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
pub use shared::{SharedTask, Spent};
