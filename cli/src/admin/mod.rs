//! Owns what the admin pages are: which there are, what each asks of a server, what it says. How
//! their requests come in, and how an adapter reaches its shards, is not known here.
//!
//! | request | answer |
//! |---|---|
//! | `GET /connections` | sockets, those with the deepest queues first; see `query` for its parameters |
//! | `GET /connections/ID` | one of them, or why it has gone |
//! | `GET /gone` | the connections that have gone, the latest first |
//! | `GET /dead-letters` | the tasks that failed for good, the oldest first |
//! | `POST /dead-letters/N/resubmit` | submits one of them again |
//! | `POST /dead-letters/resubmit` | all of them, as far as there is room |
//! | `DELETE /dead-letters/N` | throws one away |
//! | `GET /metrics` | what the server counts |
//!
//! OPTIONS of each of them says which methods it takes.

mod answered;
mod json;
mod query;
mod reply;
mod route;

use std::sync::Arc;
use std::time::Duration;

use stentor_core::proto::http::Request;
use stentor_core::{
    ClosedConnection, ConnId, ConnectionList, ConnectionQuery, Handler, Lookup, RemoteStats, Shard,
    ShardId, Stats, Timestamp,
};

use crate::metrics::Collector;
use crate::{ConnectionLimiter, SharedDispatcher, Turns, Wakeups};
use reply::Status;
use route::Call;

pub use answered::{STATUSES, StatusCounters};
pub use reply::Reply;

/// Something that shards are asked.
#[derive(Clone, Debug)]
pub struct AdminQuery(AdminQueryKind);

#[derive(Clone, Debug)]
enum AdminQueryKind {
    Connections(ConnectionQuery),
    Connection(ConnId),
    /// The last so many that have gone.
    Gone(usize),
    /// What the shard has counted, and how long its turns took.
    Counters,
}

/// What a shard answers.
#[derive(Clone, Debug)]
pub struct Answer {
    now: Timestamp,
    said: AnswerBody,
}

#[derive(Clone, Debug)]
enum AnswerBody {
    Connections(ConnectionList),
    Connection(Option<Box<Lookup>>),
    Gone(Vec<ClosedConnection>),
    Counters(Box<(Stats, Turns)>),
}

/// The way into a server, which its adapter knows.
pub trait AdminBackend: Send + Sync + 'static {
    /// The tasks of its application.
    type Task: Clone;

    /// Asks these shards, without waiting for any longer than [`PATIENCE`], and says what those
    /// have answered that did by then.
    fn ask(&self, shards: &[ShardId], question: &Arc<AdminQuery>) -> Vec<(ShardId, Answer)>;

    /// Where its tasks are.
    fn desk(&self) -> &SharedDispatcher<Self::Task>;

    /// Wakeups whoever is to be called after something was done there.
    fn call(&self, calls: Wakeups);

    /// Where its shards are counted, and the answers given here.
    fn census(&self) -> &ConnectionLimiter;

    /// What its application says from outside.
    fn remote(&self) -> RemoteStats;

    /// Makes its pages of metrics.
    fn collector(&self) -> &Collector;
}

/// How long the answers of shards are waited for.
pub const PATIENCE: Duration = Duration::from_secs(2);

impl AdminQuery {
    /// What a shard has counted.
    pub(crate) const fn counters() -> Self {
        Self(AdminQueryKind::Counters)
    }

    /// Puts it to a shard, whose turns took so long. It looks at every connection there at most
    /// once; for the counters, at none.
    pub fn put<H: Handler>(&self, now: Timestamp, shard: &Shard<H>, turns: &Turns) -> Answer {
        let said = match &self.0 {
            AdminQueryKind::Connections(filter) => {
                AnswerBody::Connections(shard.connections(now, filter))
            }
            AdminQueryKind::Connection(id) => {
                AnswerBody::Connection(shard.explain(now, *id).map(Box::new))
            }
            AdminQueryKind::Gone(most) => {
                AnswerBody::Gone(shard.gone().take(*most).cloned().collect())
            }
            AdminQueryKind::Counters => AnswerBody::Counters(Box::new((shard.stats(), *turns))),
        };
        Answer { now, said }
    }
}

impl Answer {
    /// What the shard has counted, if it was asked for that.
    pub(crate) fn counters(self) -> Option<(Stats, Turns)> {
        match self.said {
            AnswerBody::Counters(counters) => Some(*counters),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn counted(stats: Stats, turns: Turns) -> Self {
        Self {
            now: Timestamp::ORIGIN,
            said: AnswerBody::Counters(Box::new((stats, turns))),
        }
    }
}

/// Answers a request for an admin page.
pub fn answer<R: AdminBackend>(reach: &R, request: &Request<'_>) -> Reply {
    let call = match route::call(request) {
        Ok(call) => call,
        Err(reply) => return reply,
    };
    let all = || reach.census().shards().collect::<Vec<_>>();
    match call {
        Call::Connections(filter) => {
            let answers = Answers::of(reach, all(), AdminQueryKind::Connections(filter.clone()));
            Reply::json(Status::Ok, &json::connections(answers, &filter))
        }
        Call::Connection(id) if id.shard().index() >= all().len() => nobody(id),
        Call::Connection(id) => connection(reach, id),
        Call::Metrics => Reply::metrics(&reach.collector().page(reach)),
        Call::Methods(allow) => Reply::methods(allow),
        Call::Gone(most) => {
            let answers = Answers::of(reach, all(), AdminQueryKind::Gone(most));
            Reply::json(Status::Ok, &json::gone(answers, most))
        }
        Call::DeadLetters(most) => {
            let (now, (letters, all)) =
                (reach.desk().clock().now(), reach.desk().dead_letters(most));
            Reply::json(Status::Ok, &json::dead_letters(now, &letters, all))
        }
        Call::Resubmit(letter) => match reach.desk().resubmit(letter) {
            Ok(Some(calls)) => {
                reach.call(calls);
                Reply::json(Status::Ok, &json::resubmitted(1))
            }
            Ok(None) => no_letter(letter),
            Err(refusal) => {
                Reply::text(Status::Unavailable, &format!("{refusal}; try again later"))
            }
        },
        Call::ResubmitAll => {
            let (tasks, calls) = reach.desk().resubmit_all();
            reach.call(calls);
            Reply::json(Status::Ok, &json::resubmitted(tasks))
        }
        Call::Discard(letter) if reach.desk().discard(letter) => {
            Reply::json(Status::Ok, &json::discarded(1))
        }
        Call::Discard(letter) => no_letter(letter),
    }
}

fn connection<R: AdminBackend>(reach: &R, id: ConnId) -> Reply {
    let answers = Answers::of(reach, vec![id.shard()], AdminQueryKind::Connection(id));
    let Some((_, Answer { now, said })) = answers.given.into_iter().next() else {
        let shard = id.shard().0;
        let text = format!("shard {shard} does not answer within {PATIENCE:?}");
        return Reply::text(Status::Silent, &text);
    };
    match said {
        AnswerBody::Connection(Some(explained)) => {
            let tasks = reach.desk().tasks_of(id);
            Reply::json(Status::Ok, &json::explained(now, &explained, tasks))
        }
        _ => nobody(id),
    }
}

fn nobody(id: ConnId) -> Reply {
    let text = format!("there is no connection {id}, or it has gone too long ago");
    Reply::text(Status::NotFound, &text)
}

fn no_letter(letter: u64) -> Reply {
    Reply::text(
        Status::NotFound,
        &format!("there is no dead letter {letter}"),
    )
}

/// What shards have answered, and which have not.
struct Answers {
    given: Vec<(ShardId, Answer)>,
    silent: Vec<ShardId>,
}

impl Answers {
    fn of<R: AdminBackend>(reach: &R, shards: Vec<ShardId>, asked: AdminQueryKind) -> Self {
        let given = reach.ask(&shards, &Arc::new(AdminQuery(asked)));
        let has_answered = |shard: &ShardId| given.iter().any(|(of, _)| of == shard);
        let silent = shards.into_iter().filter(|shard| !has_answered(shard));
        Self {
            silent: silent.collect(),
            given,
        }
    }
}

#[cfg(test)]
mod tests;
