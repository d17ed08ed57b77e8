//! Owns what can be asked of a single task: values, no rules.

use core::time::Duration;

/// How a task is to be run, where that is not as usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct TaskOptions {
    pub(super) delay: Duration,
    pub(super) order: TaskOrder,
    pub(super) attempts: Option<u16>,
    pub(super) timeout: Option<Duration>,
}

/// Which tasks have to wait for which. Tasks of one line run one after the other, in the order in
/// which they were submitted; the next begins when the end of the last has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TaskOrder {
    /// Those of its connection are one line.
    #[default]
    Connection,
    /// Those with this key are one line, whoever submits them.
    Key(u64),
    /// It waits for no other.
    Any,
}

impl TaskOptions {
    /// As usual: at once, in the line of its connection, with the attempts and the time-out of
    /// the server.
    pub const fn new() -> Self {
        Self {
            delay: Duration::ZERO,
            order: TaskOrder::Connection,
            attempts: None,
            timeout: None,
        }
    }

    /// It is not run before so much time has passed. Only then does it join its line, so what is
    /// submitted meanwhile goes before it.
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The line that it waits in.
    pub const fn order(mut self, order: TaskOrder) -> Self {
        self.order = order;
        self
    }

    /// How often it is tried; at least once.
    pub const fn attempts(mut self, attempts: u16) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// How long an attempt may take.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}
