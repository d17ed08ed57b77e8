//! Access of the admin pages to the shards. Never blocks on the lock of a shard, because an
//! application that hangs holds that lock indefinitely.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use stentor_core::channels::RemoteStats;
use stentor_core::node::{ConnectionLimiter, Deadline};
use stentor_core::tasks::Wakeups;
use stentor_core::{Handler, ShardId};
use stentor_server::inspect::{AdminBackend, AdminQuery, QUERY_TIMEOUT, ShardAnswer};
use stentor_server::{ServerCounters, SharedDispatcher};

use crate::locked_shard::LockedShards;
use crate::remote::RemoteEndpoint;

/// View of a server for its admin pages.
pub(crate) struct AdminView<H: Handler> {
    pub(crate) stations: Arc<LockedShards<H>>,
    pub(crate) outside: Arc<RemoteEndpoint>,
}

impl<H> AdminBackend for AdminView<H>
where
    H: Handler + Send + 'static,
    H::State: Send,
{
    type Task = H::Task;

    fn ask(&self, shards: &[ShardId], question: &Arc<AdminQuery>) -> Vec<(ShardId, ShardAnswer)> {
        let (mut silent, mut given) = (shards.to_vec(), Vec::new());
        let clock = self.dispatcher().clock();
        let mut deadline = Deadline::new(clock.now(), QUERY_TIMEOUT);
        loop {
            silent.retain(|&shard| match self.stations.try_ask(shard, question) {
                Some(answer) => {
                    given.push((shard, answer));
                    false
                }
                None => true,
            });
            if silent.is_empty() || deadline.is_over(clock.now()) {
                return given;
            }
            thread::sleep(LOOK);
        }
    }

    fn dispatcher(&self) -> &SharedDispatcher<H::Task> {
        &self.stations.pool.dispatcher
    }

    fn wake(&self, wakeups: Wakeups) {
        self.stations.pool.call(wakeups);
    }

    fn limiter(&self) -> &ConnectionLimiter {
        &self.stations.limiter
    }

    fn remote_stats(&self) -> RemoteStats {
        self.outside.server_end.stats()
    }

    fn counters(&self) -> &ServerCounters {
        &self.stations.counters
    }
}

/// Poll interval for a shard whose lock is held.
const LOOK: Duration = Duration::from_millis(1);
