//! Queries about a running server: what the admin pages and the metrics need from an adapter.

use std::sync::Arc;
use std::time::Duration;

use stentor_core::app::Isolation;
use stentor_core::channels::RemoteStats;
use stentor_core::inspect::{ClosedConnection, ConnectionList, ConnectionQuery, Lookup};
use stentor_core::node::ConnectionLimiter;
use stentor_core::stats::Stats;
use stentor_core::tasks::Wakeups;
use stentor_core::{ConnId, Handler, Shard, ShardId, Timestamp};

use crate::counters::{ServerCounters, Turns};
use crate::dispatch::SharedDispatcher;

/// A running server, implemented by its adapter.
pub trait AdminBackend: Send + Sync + 'static {
    /// The tasks of the application.
    type Task: Clone;

    /// Queries shards for at most [`QUERY_TIMEOUT`]. Returns the answers that arrived in time.
    fn ask(&self, shards: &[ShardId], query: &Arc<AdminQuery>) -> Vec<(ShardId, ShardAnswer)>;

    /// Returns the dispatcher.
    fn dispatcher(&self) -> &SharedDispatcher<Self::Task>;

    /// Performs the wake-ups that a call of the dispatcher returned.
    fn wake(&self, wakeups: Wakeups);

    /// Returns the connection limiter.
    fn limiter(&self) -> &ConnectionLimiter;

    /// Returns the counters of listeners and admin pages.
    fn counters(&self) -> &ServerCounters;

    /// Returns the counters of commands from application threads.
    fn remote_stats(&self) -> RemoteStats;
}

/// Time limit of the answers of shards.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// A query to a shard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AdminQuery {
    /// The connections that match.
    Connections(ConnectionQuery),
    /// One connection, open or closed.
    Connection(ConnId),
    /// The latest closed connections, at most this many.
    Closed(usize),
    /// The counters and the durations of turns.
    Counters,
}

impl AdminQuery {
    /// Answers the query from a shard and the durations of its turns. Visits each connection of the
    /// shard at most once, and none for [`Counters`](Self::Counters).
    pub fn answer<H: Handler, I: Isolation>(
        &self,
        now: Timestamp,
        shard: &Shard<H, I>,
        turns: &Turns,
    ) -> ShardAnswer {
        let body = match self {
            Self::Connections(query) => AnswerBody::Connections(shard.connections(now, query)),
            Self::Connection(id) => AnswerBody::Connection(shard.explain(now, *id).map(Box::new)),
            Self::Closed(limit) => AnswerBody::Closed(shard.gone().take(*limit).cloned().collect()),
            Self::Counters => AnswerBody::Counters(Box::new((shard.stats(), *turns))),
        };
        ShardAnswer { now, body }
    }
}

/// The answer of a shard.
#[derive(Clone, Debug)]
pub struct ShardAnswer {
    pub(crate) now: Timestamp,
    pub(crate) body: AnswerBody,
}

#[derive(Clone, Debug)]
pub(crate) enum AnswerBody {
    Connections(ConnectionList),
    Connection(Option<Box<Lookup>>),
    Closed(Vec<ClosedConnection>),
    Counters(Box<(Stats, Turns)>),
}

impl ShardAnswer {
    /// Returns the counters, if the query was for them.
    pub(crate) fn counters(self) -> Option<(Stats, Turns)> {
        match self.body {
            AnswerBody::Counters(counters) => Some(*counters),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn of_counters(stats: Stats, turns: Turns) -> Self {
        Self {
            now: Timestamp::ORIGIN,
            body: AnswerBody::Counters(Box::new((stats, turns))),
        }
    }
}
