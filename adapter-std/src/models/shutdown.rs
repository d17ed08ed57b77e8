//! Models of the shutdown: every waiting thread ends when the server or its connection ends.

use std::sync::Arc;

use stentor_core::shard::Admission;
use stentor_core::{Config, Echo, ShardId};
use stentor_gateway::Rooms;

use super::model;
use super::server::{ModelServer, REQUEST, join, said, spawn, told};
use super::socket::{Scripted, pair};
use super::wakes::ModelWork;
use crate::connection;
use crate::connection_threads::start_workers;
use crate::locked_shard::{LockedShards, ShardState};
use crate::workers::tell;

/// Fails if `PendingConnection::tell` wakes nobody, and if `ShardSocket::end` leaves the socket as
/// it is, or its threads asleep.
#[test]
fn loom_a_connection_ends_at_any_time_after_its_birth() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Echo);
        let (stream, peer) = pair();
        peer.say(REQUEST);
        server.state.limiter.admit().expect("there is no limit");
        let place = (ShardId(0), Admission::Normal);
        let enter = |inside: &mut ShardState<Echo, Scripted>| {
            inside.shard.accept(inside.now, Admission::Normal)
        };
        connection::start(&server, stream, place, enter).expect("few threads");
        server.abort(ShardId(0));
        peer.await_close();
        assert!(server.all(|shard| shard.is_empty()));
    });
}

/// The writer waits for room, the reader for being read again. Fails if
/// `ShardSocket::end` leaves the socket as it is.
#[test]
fn loom_a_connection_ends_although_its_socket_is_full() {
    model(|| {
        let server = ModelServer::new(Config::builder().queue_messages(1), Echo);
        let connection = server.connect(ShardId(0));
        server.hand_in(connection.id, &[said("a"), said("b")].concat());
        connection.peer.say(&said("c"));
        connection.peer.make_room(2);
        let threads = [
            server.start_reader(&connection),
            server.start_writer(&connection),
        ];
        assert_eq!(connection.peer.await_bytes(2), told("a")[..2]);
        server.abort(ShardId(0));
        join(threads);
        assert!(server.all(|shard| shard.is_empty()));
    });
}

/// Fails if the drop of the threads wakes no ticker, or does so before it says that
/// they are to stop.
#[test]
fn loom_tickers_end_with_their_crew() {
    model(|| {
        let server = ModelServer::new(Config::builder().shards(2), Rooms::default());
        let mut threads = server.threads();
        threads.start_ticker(ShardId(0)).expect("few threads");
        threads.start_ticker(ShardId(1)).expect("few threads");
        drop(threads);
    });
}

/// Fails if `drain_workers` wakes nobody, and if a worker ends before the queue is
/// empty.
#[test]
fn loom_workers_end_when_their_pool_drains_and_all_is_done() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let connection = server.connect(ShardId(0));
        let workers = start_workers(&server, ModelWork).expect("few threads");
        server.hand_in(connection.id, &said("task:a"));
        server.drain_workers();
        join(workers);
        assert_eq!(server.exchange(&connection, &[]), told("processed_by_0:a"));
    });
}

/// Fails if `drain_workers` does not wake whoever watches the clock.
#[test]
fn loom_whoever_watches_the_clock_ends_when_the_pool_drains() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let host = Arc::clone(&server);
        let watcher = spawn(move || run_timers(&host));
        server.drain_workers();
        join([watcher]);
    });
}

/// Runs the timers of the dispatcher until it drains.
fn run_timers(server: &LockedShards<Rooms, Scripted>) {
    let wake = |wakeups| server.wake_for(wakeups);
    let report = |conn, end| tell(server, conn, end);
    server.state.dispatcher.run_timers::<Rooms>(wake, report);
}
