//! Owns the way of the admin pages to the shards: a question is handed in like anything else, and
//! answered between two turns.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Instant;

use stentor_admin::{AdminBackend, AdminQuery, Answer, PATIENCE};
use stentor_cli::metrics::Collector;
use stentor_cli::{ConnectionLimiter, Deadline, SharedDispatcher, Wakeups};
use stentor_core::{Handler, RemoteStats, ShardId};

use crate::remote::Outside;
use crate::shard_handle::{Post, ShardHandles};
use crate::workers::Pool;

/// A question on its way to a shard.
pub(crate) struct PendingQuery {
    pub(crate) question: Arc<AdminQuery>,
    pub(crate) reply: Sender<(ShardId, Answer)>,
    /// As long as this is there, the question waits.
    pub(crate) _waits: Arc<()>,
}

/// A server, as its admin pages see it.
pub(crate) struct Server<H: Handler> {
    pub(crate) doors: Arc<ShardHandles<H>>,
    pub(crate) pool: Arc<Pool<H>>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) collector: Collector,
}

impl<H> AdminBackend for Server<H>
where
    H: Handler + 'static,
    H::State: Send,
{
    type Task = H::Task;

    fn ask(&self, shards: &[ShardId], question: &Arc<AdminQuery>) -> Vec<(ShardId, Answer)> {
        let (reply, answers) = channel();
        for &shard in shards {
            if let Some(_waits) = self.doors.may_ask(shard) {
                let (question, reply) = (question.clone(), reply.clone());
                let inquiry = PendingQuery {
                    question,
                    reply,
                    _waits,
                };
                self.doors.post(shard, Post::Query(inquiry));
            }
        }
        // What is left are those under way.
        drop(reply);
        let (mut deadline, mut given) = (Deadline::new(Instant::now(), PATIENCE), Vec::new());
        loop {
            let left = deadline.at().saturating_duration_since(Instant::now());
            match answers.recv_timeout(left) {
                Ok(answer) => given.push(answer),
                Err(RecvTimeoutError::Timeout) if !deadline.is_over(Instant::now()) => {}
                Err(_) => return given,
            }
        }
    }

    fn desk(&self) -> &SharedDispatcher<H::Task> {
        &self.pool.desk
    }

    fn call(&self, calls: Wakeups) {
        self.pool.call(calls);
    }

    fn census(&self) -> &ConnectionLimiter {
        &self.doors.census
    }

    fn remote(&self) -> RemoteStats {
        self.outside.gate.stats()
    }

    fn collector(&self) -> &Collector {
        &self.collector
    }
}
