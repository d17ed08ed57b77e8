//! Result of a server's life: its counters, or the shards that did not end.

use core::fmt;
use std::io;
use std::time::Duration;

use stentor_core::ShardId;
use stentor_core::stats::{DispatchStats, Stats};
use tracing::{error, info};

/// Counters of a server that has ended in order.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// The sum of the counters of all shards.
    pub stats: Stats,
    /// The counters of the dispatcher.
    pub dispatch: DispatchStats,
}

impl ShutdownReport {
    /// Returns the report, and logs it.
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

/// Shards that had not ended when their time was over, because a callback of the application does
/// not return. A thread cannot be ended from outside: these threads and all their connections
/// remain until the process ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HungShards {
    shards: Vec<ShardId>,
}

impl HungShards {
    /// Time for the threads of a server to end after the drain.
    pub const GRACE: Duration = Duration::from_secs(3);

    /// Returns an error for these shards, if there are any, and logs each.
    #[must_use]
    pub fn new(shards: Vec<ShardId>) -> Option<Self> {
        for shard in &shards {
            error!(shard = shard.0, "a shard hangs and is left behind");
        }
        (!shards.is_empty()).then_some(Self { shards })
    }

    /// Returns the shards.
    #[must_use]
    pub fn shards(&self) -> &[ShardId] {
        &self.shards
    }
}

impl fmt::Display for HungShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an application does not return, on shard ")?;
        for (at, shard) in self.shards.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{}", shard.0)?;
        }
        Ok(())
    }
}

impl core::error::Error for HungShards {}

impl From<HungShards> for io::Error {
    fn from(hung: HungShards) -> Self {
        Self::new(io::ErrorKind::TimedOut, hung)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_shards() {
        assert_eq!(HungShards::new(Vec::new()), None);
        let hung = HungShards::new([0, 3].map(ShardId).into()).expect("two");
        let error = io::Error::from(hung);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let text = "an application does not return, on shard 0, 3";
        assert_eq!(error.to_string(), text);
    }
}
