//! Options of a server that are no limits of the core.

use std::time::Duration;

/// Sizes and times of a server beside its shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// The number of workers, 1 to [`MAX_WORKERS`](Self::MAX_WORKERS).
    pub workers: usize,
    /// The maximum number of tasks that wait for a worker.
    pub task_queue: usize,
    /// The maximum number of open connections; further ones get 503. `None` means unlimited.
    pub max_connections: Option<usize>,
    /// The time limit of a shutdown.
    pub shutdown_timeout: Duration,
    /// How long a server goes on before it shuts down, while `/readyz` says that it is about to end.
    pub shutdown_delay: Duration,
}

impl ServerOptions {
    /// The maximum number of workers.
    pub const MAX_WORKERS: usize = 1_024;

    /// Returns the defaults: 8 workers, 1,024 waiting tasks, no limit of connections, a shutdown
    /// of 10 s without delay.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            workers: 8,
            task_queue: 1_024,
            max_connections: None,
            shutdown_timeout: Duration::from_secs(10),
            shutdown_delay: Duration::ZERO,
        }
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new()
    }
}
