//! Owns the way of the admin pages to the shards. It never waits for a shard's
//! lock: whose application hangs keeps that for as long.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use stentor_admin::{AdminBackend, AdminQuery, Answer, PATIENCE};
use stentor_cli::metrics::Collector;
use stentor_cli::{ConnectionLimiter, Deadline, SharedDispatcher, Wakeups};
use stentor_core::{Handler, RemoteStats, ShardId};

use crate::locked_shard::LockedShards;
use crate::remote::Outside;

/// A server, as its admin pages see it.
pub(crate) struct Server<H: Handler> {
    pub(crate) stations: Arc<LockedShards<H>>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) collector: Collector,
}

impl<H> AdminBackend for Server<H>
where
    H: Handler + Send + 'static,
    H::State: Send,
{
    type Task = H::Task;

    fn ask(&self, shards: &[ShardId], question: &Arc<AdminQuery>) -> Vec<(ShardId, Answer)> {
        let (mut silent, mut given) = (shards.to_vec(), Vec::new());
        let mut deadline = Deadline::new(Instant::now(), PATIENCE);
        loop {
            silent.retain(|&shard| match self.stations.try_ask(shard, question) {
                Some(answer) => {
                    given.push((shard, answer));
                    false
                }
                None => true,
            });
            if silent.is_empty() || deadline.is_over(Instant::now()) {
                return given;
            }
            thread::sleep(LOOK);
        }
    }

    fn desk(&self) -> &SharedDispatcher<H::Task> {
        &self.stations.pool.desk
    }

    fn call(&self, calls: Wakeups) {
        self.stations.pool.call(calls);
    }

    fn census(&self) -> &ConnectionLimiter {
        &self.stations.census
    }

    fn remote(&self) -> RemoteStats {
        self.outside.gate.stats()
    }

    fn collector(&self) -> &Collector {
        &self.collector
    }
}

/// How often it is looked whether a shard is free that was not.
const LOOK: Duration = Duration::from_millis(1);
