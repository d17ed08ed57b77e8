//! Queries about a running server: what the admin pages and the metrics need from an adapter.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use stentor_core::app::{Isolation, Metric};
use stentor_core::channels::{RemoteStats, SavedStream};
use stentor_core::inspect::{ClosedConnection, ConnectionList, ConnectionQuery, Lookup, Readiness};
use stentor_core::node::ConnectionLimiter;
use stentor_core::stats::Stats;
use stentor_core::tasks::Wakeups;
use stentor_core::{ConnId, Handler, Shard, ShardId, Timestamp};

use crate::answer::PendingAnswer;
use crate::counters::{ServerCounters, Turns};
use crate::dispatch::SharedDispatcher;
use crate::remote::{AcceptError, IncomingSocket};

/// A running server, as the pages see it. Every [`Host`](crate::host::Host) is one.
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

    /// Takes a socket whose request is for the application.
    ///
    /// # Errors
    /// Returns an error if there is no place for it.
    fn accept(self: Arc<Self>, socket: IncomingSocket) -> Result<(), AcceptError>;

    /// Returns the counters of commands from application threads.
    fn remote_stats(&self) -> RemoteStats;
}

/// An admin query on its way to a shard.
#[derive(Debug)]
pub struct PendingQuery {
    query: Arc<AdminQuery>,
    reply: Sender<(ShardId, ShardAnswer)>,
    /// Counts as one waiting query until it is dropped.
    _waits: Arc<()>,
}

impl PendingQuery {
    pub(crate) fn answer<H: Handler, I: Isolation>(
        self,
        now: Timestamp,
        shard: &mut Shard<H, I>,
        turns: &Turns,
    ) -> PendingAnswer {
        let (id, answer) = (shard.id(), self.query.answer(now, shard, turns));
        PendingAnswer::new(move || {
            let _ = self.reply.send((id, answer));
        })
    }
}

/// Limit of the queries that pile up at a shard that hangs.
#[derive(Debug)]
pub(crate) struct QueryLimits {
    /// Has one more reference for each query that waits at a shard.
    shards: Vec<Arc<()>>,
}

impl QueryLimits {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            shards: (0..shards).map(|_| Arc::new(())).collect(),
        }
    }

    /// Returns a query for a shard, or `None` if too many wait there already.
    pub(crate) fn query(
        &self,
        shard: ShardId,
        query: &Arc<AdminQuery>,
        reply: &Sender<(ShardId, ShardAnswer)>,
    ) -> Option<PendingQuery> {
        let waiting = &self.shards[shard.index()];
        (Arc::strong_count(waiting) <= MAX_QUERIES).then(|| PendingQuery {
            query: query.clone(),
            reply: reply.clone(),
            _waits: waiting.clone(),
        })
    }
}

/// Maximum number of queries, of the admin pages and of the metrics, that wait at a shard; more
/// than can be made at a time.
const MAX_QUERIES: usize = 8;

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
    /// The streams of channels.
    Streams,
    /// Whether the shard takes traffic.
    Readiness,
}

impl AdminQuery {
    /// Answers the query from a shard and the durations of its turns. Visits each connection of the
    /// shard at most once, and none for [`Counters`](Self::Counters).
    pub fn answer<H: Handler, I: Isolation>(
        &self,
        now: Timestamp,
        shard: &mut Shard<H, I>,
        turns: &Turns,
    ) -> ShardAnswer {
        let body = match self {
            Self::Connections(query) => AnswerBody::Connections(shard.connections(now, query)),
            Self::Connection(id) => AnswerBody::Connection(shard.explain(now, *id).map(Box::new)),
            Self::Closed(limit) => AnswerBody::Closed(shard.gone().take(*limit).cloned().collect()),
            Self::Counters => AnswerBody::Counters(Box::new(ShardCounters {
                stats: shard.stats(),
                turns: *turns,
                app: shard.app_metrics(),
            })),
            Self::Streams => AnswerBody::Streams(shard.saved_streams(now)),
            Self::Readiness => AnswerBody::Readiness(shard.readiness()),
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

/// The counters of a shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardCounters {
    pub(crate) stats: Stats,
    pub(crate) turns: Turns,
    /// The metrics of the application.
    pub(crate) app: Vec<Metric>,
}

#[derive(Clone, Debug)]
pub(crate) enum AnswerBody {
    Connections(ConnectionList),
    Connection(Option<Box<Lookup>>),
    Closed(Vec<ClosedConnection>),
    Counters(Box<ShardCounters>),
    Streams(Vec<SavedStream>),
    Readiness(Readiness),
}

impl ShardAnswer {
    /// Returns the counters, if the query was for them.
    pub(crate) fn counters(self) -> Option<ShardCounters> {
        match self.body {
            AnswerBody::Counters(counters) => Some(*counters),
            _ => None,
        }
    }

    /// Returns the streams, if the query was for them.
    pub(crate) fn streams(self) -> Vec<SavedStream> {
        match self.body {
            AnswerBody::Streams(streams) => streams,
            _ => Vec::new(),
        }
    }

    /// Returns whether the shard takes traffic, if the query was for that.
    pub(crate) const fn readiness(&self) -> Option<Readiness> {
        match self.body {
            AnswerBody::Readiness(readiness) => Some(readiness),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn of_counters(counters: ShardCounters) -> Self {
        Self {
            now: Timestamp::ORIGIN,
            body: AnswerBody::Counters(Box::new(counters)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_bounded_number_of_queries_waits_at_a_shard() {
        let limits = QueryLimits::new(2);
        let (reply, _) = channel();
        let query = Arc::new(AdminQuery::Counters);
        let ask = |shard| limits.query(ShardId(shard), &query, &reply);
        let mut waiting: Vec<_> = std::iter::from_fn(|| ask(1)).collect();
        assert_eq!(waiting.len(), MAX_QUERIES);
        assert!(ask(0).is_some(), "those of another shard do not count");
        waiting.pop();
        waiting.extend(ask(1));
        assert_eq!(waiting.len(), MAX_QUERIES);
    }
}
