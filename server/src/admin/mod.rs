//! Admin pages and their listener.
//!
//! | request | answer |
//! |---|---|
//! | `GET /connections` | open sockets, deepest send queue first; see `parameters` |
//! | `GET /connections/ID` | one connection, open or closed |
//! | `GET /gone` | closed connections, latest first |
//! | `GET /dead-letters` | tasks whose attempts have all failed, oldest first |
//! | `POST /dead-letters/N/resubmit` | submits one of them again |
//! | `POST /dead-letters/resubmit` | submits all of them again, as far as there is room |
//! | `DELETE /dead-letters/N` | deletes one |
//! | `GET /metrics` | metrics |
//! | `GET /healthz` | 200 while this answers |
//! | `GET /log-level` | what is logged |
//! | `PUT /log-level` | replaces that for a time, by a level or pairs of target and level; see `parameters` |
//! | `DELETE /log-level` | what is configured is logged again |
//! | `POST /reload` | reads the settings again |
//! | `GET /readyz` | whether the server takes traffic: all shards answer, have memory, and are not about to end |
//!
//! OPTIONS of each of them returns its methods.
//!
//! The listener has sockets and a few blocking threads of its own, so every adapter can use it and
//! none is slowed down. Everything is bounded: the number of connections served at a time, how many
//! of them are kept after a response, the length of a head and of content, and the time of each step.

mod connection;
mod json;
mod listener;
mod log_level;
mod parameters;
mod reply;
mod route;
mod socket;

use std::sync::Arc;

use stentor_core::inspect::Readiness;
use stentor_core::proto::http::Request;
use stentor_core::{ConnId, ShardId};

use crate::inspect::{AdminBackend, AdminQuery, AnswerBody, QUERY_TIMEOUT, ShardAnswer};
use crate::metrics::Collector;
use reply::Status;
use route::Route;

pub use listener::{Admin, Serving};
pub use reply::AdminReply;

/// Answers a request for an admin page.
pub fn answer<B: AdminBackend>(
    backend: &B,
    collector: &Collector,
    request: &Request<'_>,
    content: &[u8],
) -> AdminReply {
    match route::route(request) {
        Ok(route) => perform(backend, collector, route, content),
        Err(reply) => reply,
    }
}

fn perform<B: AdminBackend>(
    backend: &B,
    collector: &Collector,
    route: Route,
    content: &[u8],
) -> AdminReply {
    let all = || backend.limiter().shards().collect::<Vec<_>>();
    match route {
        Route::Connections(query) => {
            let answers = Answers::query(backend, all(), AdminQuery::Connections(query.clone()));
            AdminReply::json(Status::Ok, &json::connections(answers, &query))
        }
        Route::Connection(id) if id.shard().index() >= all().len() => no_connection(id),
        Route::Connection(id) => connection(backend, id),
        Route::Alive => AdminReply::text(Status::Ok, "ok"),
        Route::Ready => readiness(Answers::query(backend, all(), AdminQuery::Readiness)),
        Route::Metrics => AdminReply::metrics(&collector.page(backend)),
        Route::LogLevel => log_level::show(),
        Route::SetLogLevel(levels, time) => log_level::set(levels, content, time),
        Route::ResetLogLevel => log_level::reset(),
        Route::Reload => reload(collector),
        Route::Methods(allow) => AdminReply::methods(allow),
        Route::Closed(limit) => {
            let answers = Answers::query(backend, all(), AdminQuery::Closed(limit));
            AdminReply::json(Status::Ok, &json::closed(answers, limit))
        }
        Route::DeadLetters(limit) => {
            let dispatcher = backend.dispatcher();
            let (now, (letters, all)) = (dispatcher.clock().now(), dispatcher.dead_letters(limit));
            AdminReply::json(Status::Ok, &json::dead_letters(now, &letters, all))
        }
        Route::Resubmit(id) => match backend.dispatcher().resubmit(id) {
            Ok(Some(wakeups)) => {
                backend.wake(wakeups);
                AdminReply::json(Status::Ok, &json::resubmitted(1))
            }
            Ok(None) => no_dead_letter(id),
            Err(error) => {
                AdminReply::text(Status::Unavailable, &format!("{error}; try again later"))
            }
        },
        Route::ResubmitAll => {
            let (tasks, wakeups) = backend.dispatcher().resubmit_all();
            backend.wake(wakeups);
            AdminReply::json(Status::Ok, &json::resubmitted(tasks))
        }
        Route::Discard(id) if backend.dispatcher().discard(id) => {
            AdminReply::json(Status::Ok, &json::discarded(1))
        }
        Route::Discard(id) => no_dead_letter(id),
    }
}

/// Has the settings be read again.
fn reload(collector: &Collector) -> AdminReply {
    match collector.settings().live.reload() {
        None => AdminReply::text(Status::NotFound, "the settings are the application's"),
        Some(Ok(changes)) => AdminReply::json(Status::Ok, &json::reloaded(&changes)),
        Some(Err(error)) => AdminReply::text(Status::BadRequest, &error),
    }
}

fn connection<B: AdminBackend>(backend: &B, id: ConnId) -> AdminReply {
    let answers = Answers::query(backend, vec![id.shard()], AdminQuery::Connection(id));
    let Some((_, ShardAnswer { now, body })) = answers.received.into_iter().next() else {
        let shard = id.shard().0;
        let text = format!("shard {shard} does not answer within {QUERY_TIMEOUT:?}");
        return AdminReply::text(Status::Timeout, &text);
    };
    match body {
        AnswerBody::Connection(Some(lookup)) => {
            let tasks = backend.dispatcher().tasks_of(id);
            AdminReply::json(Status::Ok, &json::connection(now, &lookup, tasks))
        }
        _ => no_connection(id),
    }
}

/// Says whether all shards take traffic, and otherwise why the first does not.
fn readiness(answers: Answers) -> AdminReply {
    if let Some(shard) = answers.silent.first() {
        let text = format!("shard {} does not answer within {QUERY_TIMEOUT:?}", shard.0);
        return AdminReply::text(Status::Unavailable, &text);
    }
    let of_shards = answers
        .received
        .iter()
        .filter_map(|(_, answer)| answer.readiness());
    let unready = of_shards.into_iter().find(|of| *of != Readiness::Ready);
    let status = unready.map_or(Status::Ok, |_| Status::Unavailable);
    AdminReply::text(
        status,
        unready.unwrap_or(Readiness::Ready).text().trim_end(),
    )
}

fn no_connection(id: ConnId) -> AdminReply {
    let text = format!("there is no connection {id}, or it has gone too long ago");
    AdminReply::text(Status::NotFound, &text)
}

fn no_dead_letter(id: u64) -> AdminReply {
    AdminReply::text(Status::NotFound, &format!("there is no dead letter {id}"))
}

/// The answers of shards to one query.
struct Answers {
    received: Vec<(ShardId, ShardAnswer)>,
    /// The shards that did not answer in time.
    silent: Vec<ShardId>,
}

impl Answers {
    fn query<B: AdminBackend>(backend: &B, shards: Vec<ShardId>, query: AdminQuery) -> Self {
        let received = backend.ask(&shards, &Arc::new(query));
        let has_answered = |shard: &ShardId| received.iter().any(|(of, _)| of == shard);
        let silent = shards.into_iter().filter(|shard| !has_answered(shard));
        Self {
            silent: silent.collect(),
            received,
        }
    }
}
