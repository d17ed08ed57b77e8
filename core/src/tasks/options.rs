//! Options of a single task.

use core::time::Duration;

/// The options of a task, where they differ from the defaults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct TaskOptions {
    pub(super) delay: Duration,
    pub(super) order: TaskOrder,
    pub(super) attempts: Option<u16>,
    pub(super) timeout: Option<Duration>,
}

/// The ordering key of a task. Tasks with one key run one after the other, in the order of
/// submission; the next begins when the end of the previous one has been reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TaskOrder {
    /// The key is the connection.
    #[default]
    Connection,
    /// The key is this number, for tasks of any connection.
    Key(u64),
    /// No key: the task waits for no other.
    Any,
}

impl TaskOptions {
    /// Returns the defaults: no delay, ordered by connection, and the attempts and the time-out of
    /// the server.
    pub const fn new() -> Self {
        Self {
            delay: Duration::ZERO,
            order: TaskOrder::Connection,
            attempts: None,
            timeout: None,
        }
    }

    /// Sets the time before the first attempt. The task joins the queue of its ordering key after
    /// that, behind tasks that were submitted in the meantime.
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets the ordering key.
    pub const fn order(mut self, order: TaskOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets the maximum number of attempts, at least one.
    pub const fn attempts(mut self, attempts: u16) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets the time limit of an attempt.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}
