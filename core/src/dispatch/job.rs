//! Owns what goes into the dispatcher and what it answers: values, no rules.

use core::fmt;

use crate::id::ConnId;

/// A task, and the connection that its outcome is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Job<T> {
    /// Who handed the task in. The connection may have gone by the time it is done.
    pub conn: ConnId,
    /// What is to be done.
    pub task: T,
}

/// A task was taken into the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a worker may have to be woken"]
#[non_exhaustive]
pub struct Submitted {
    /// Whether one more sleeping worker, any one, must be woken. See
    /// [`Dispatcher`](super::Dispatcher) on how it has to sleep.
    pub wake: bool,
}

/// A task was not taken. It comes back, so that its connection can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Refused<T> {
    /// The task, as it was handed in.
    pub task: T,
    /// Why.
    pub reason: Refusal,
}

/// Why a task was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// As many tasks wait as may wait.
    QueueFull,
    /// The server is shutting down.
    Draining,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull => "the task queue is full",
            Self::Draining => "the server is shutting down",
        })
    }
}
