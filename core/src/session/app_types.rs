//! Types of an application that a shard stores, without its callbacks.

use crate::tasks::{AttemptResult, FailedTask, FailureCause};

/// The types of an application that a shard stores. Every [`Handler`](crate::Handler) has them.
pub trait AppTypes: Sized {
    /// State of a connection.
    type State;
    /// Work for a worker.
    type Task;
    /// Result of a task.
    type Outcome;

    /// How many codecs connections may have, the verbatim one included.
    const CODECS: usize;
    /// What becomes of replies for which the queue of their connection has no room.
    const BACKPRESSURE: Backpressure;
}

/// What becomes of a connection's answers to itself for which its queue has no
/// channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backpressure {
    /// What [`SendOptions::overflow`](crate::SendOptions::overflow) says.
    Drop,
    /// They wait, and the connection is not read until its queue has drained;
    /// unless one is to [close](crate::OverflowPolicy::Disconnect) it. For what others send
    /// to it stands what they say.
    PauseReads,
}

/// How a task ended.
#[non_exhaustive]
pub enum TaskEnd<A: AppTypes> {
    /// A worker finished it.
    Done(A::Outcome),
    /// The dispatcher did not take it; here it is again.
    Refused(A::Task),
    /// It was tried as often as it may be.
    Failed {
        /// How the last attempt failed.
        cause: FailureCause,
        /// How many there were.
        attempts: u16,
    },
}

impl<A: AppTypes> TaskEnd<A> {
    /// Returns the end of a task after an attempt, if it has ended and its connection is to be
    /// notified. Takes the outcome of the attempt if that is the end.
    pub fn of_attempt(result: &AttemptResult, outcome: &mut Option<A::Outcome>) -> Option<Self> {
        match result {
            AttemptResult::Done { notify: true } => outcome.take().map(Self::Done),
            AttemptResult::Failed(task) => Self::of_failed(task),
            AttemptResult::Done { notify: false } | AttemptResult::Retry | AttemptResult::Late => {
                None
            }
        }
    }

    /// Returns the end of a failed task, if its connection is to be notified.
    pub fn of_failed(task: &FailedTask) -> Option<Self> {
        let &FailedTask {
            cause, attempts, ..
        } = task;
        task.notify.then_some(Self::Failed { cause, attempts })
    }
}

impl<A: AppTypes> core::fmt::Debug for TaskEnd<A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Done(_) => "Done",
            Self::Refused(_) => "Refused",
            Self::Failed { .. } => "Failed",
        })
    }
}
