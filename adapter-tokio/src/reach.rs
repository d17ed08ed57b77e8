//! Access of the admin pages to the shards: a query goes through the mailbox of the shard like any
//! other input, and the answer is sent between two turns.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};

use stentor_core::channels::RemoteStats;
use stentor_core::node::{ConnectionLimiter, Deadline};
use stentor_core::tasks::Wakeups;
use stentor_core::{Handler, ShardId};
use stentor_server::inspect::{AdminBackend, AdminQuery, QUERY_TIMEOUT, ShardAnswer};
use stentor_server::{ServerCounters, SharedDispatcher};

use crate::remote::RemoteEndpoint;
use crate::shard_handle::{PendingQuery, ShardHandles, ShardInput};
use crate::workers::WorkerPool;

/// View of a server for its admin pages.
pub(crate) struct AdminView<H: Handler> {
    pub(crate) doors: Arc<ShardHandles<H>>,
    pub(crate) pool: Arc<WorkerPool<H>>,
    pub(crate) outside: Arc<RemoteEndpoint>,
}

impl<H> AdminBackend for AdminView<H>
where
    H: Handler + 'static,
    H::State: Send,
{
    type Task = H::Task;

    fn ask(&self, shards: &[ShardId], question: &Arc<AdminQuery>) -> Vec<(ShardId, ShardAnswer)> {
        let (reply, answers) = channel();
        for &shard in shards {
            if let Some(_waits) = self.doors.may_ask(shard) {
                let (question, reply) = (question.clone(), reply.clone());
                let inquiry = PendingQuery {
                    question,
                    reply,
                    _waits,
                };
                self.doors.post(shard, ShardInput::Query(inquiry));
            }
        }
        // Only the senders of the pending queries are left.
        drop(reply);
        let clock = self.pool.dispatcher.clock();
        let (mut deadline, mut given) = (Deadline::new(clock.now(), QUERY_TIMEOUT), Vec::new());
        loop {
            let left = deadline.at().since(clock.now());
            match answers.recv_timeout(left) {
                Ok(answer) => given.push(answer),
                Err(RecvTimeoutError::Timeout) if !deadline.is_over(clock.now()) => {}
                Err(_) => return given,
            }
        }
    }

    fn dispatcher(&self) -> &SharedDispatcher<H::Task> {
        &self.pool.dispatcher
    }

    fn wake(&self, wakeups: Wakeups) {
        self.pool.call(wakeups);
    }

    fn limiter(&self) -> &ConnectionLimiter {
        &self.doors.limiter
    }

    fn remote_stats(&self) -> RemoteStats {
        self.outside.server_end.stats()
    }

    fn counters(&self) -> &ServerCounters {
        &self.doors.counters
    }
}
