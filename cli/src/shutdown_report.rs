//! Owns what is told of a server's life when it is over.

use stentor_core::{DispatchStats, Stats};
use tracing::info;

/// What a server did in its life.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// What all shards counted.
    pub stats: Stats,
    /// What the dispatcher counted.
    pub dispatch: DispatchStats,
}

impl ShutdownReport {
    /// What was counted, and the log line that says so.
    #[must_use]
    pub fn complete(stats: Stats, dispatch: DispatchStats) -> Self {
        let delivery = &stats.delivery;
        info!(
            accepted = delivery.queued,
            written = delivery.written,
            evicted = delivery.evicted,
            expired = delivery.expired,
            conflated = delivery.conflated,
            shed = delivery.shed,
            discarded = delivery.discarded,
            abandoned_tasks = dispatch.abandoned_waiting + dispatch.abandoned_running,
            dead_letters = dispatch.dead_letters,
            "shutdown complete"
        );
        Self { stats, dispatch }
    }
}
