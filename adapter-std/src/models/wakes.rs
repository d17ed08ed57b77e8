//! Models of wake-ups: no thread sleeps while it has work to do.

use std::sync::Arc;
use std::time::Duration;

use stentor_core::config::{Page, PageId};
use stentor_core::id::WorkerId;
use stentor_core::{Config, Echo, Failure, ShardId};
use stentor_gateway::{RoomOutcome, RoomTask, Rooms};
use stentor_server::host::ShardInput;

use super::model;
use super::server::{ModelServer, PLENTY, join, room_of_the_second, said, spawn, told};
use crate::connection_threads::start_workers;
use crate::primitive::thread;
use crate::workers::Work;

/// Fails if `wake_writers` wakes nobody, and if a writer registers after it has
/// looked.
#[test]
fn loom_a_writer_wakes_for_what_others_cause() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let connection = server.connect(ShardId(0));
        connection.peer.make_room(PLENTY);
        let writer = server.start_writer(&connection);
        server.hand_in(connection.id, &said("a"));
        server.hand_in(connection.id, &said("b"));
        let heard = [told("echo:a"), told("echo:b")].concat();
        assert_eq!(connection.peer.await_bytes(heard.len()), heard);
        server.abort(ShardId(0));
        join([writer]);
    });
}

/// Fails if `settle` does not touch the connection, and if `wake_writers` has no
/// eye for full sockets.
#[test]
fn loom_a_writer_goes_on_where_a_reader_had_to_stop() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let connection = server.connect(ShardId(0));
        connection.peer.make_room(3);
        connection.peer.say(&said("a"));
        let threads = [
            server.start_reader(&connection),
            server.start_writer(&connection),
        ];
        connection.peer.make_room(PLENTY);
        let heard = told("echo:a");
        assert_eq!(connection.peer.await_bytes(heard.len()), heard);
        server.abort(ShardId(0));
        join(threads);
    });
}

/// Fails if `StartReading` wakes nobody, and if a reader registers only once it
/// is told to wait.
#[test]
fn loom_a_reader_goes_on_when_it_is_to_be_read_again() {
    model(|| {
        let server = ModelServer::new(Config::builder().queue_messages(1), Echo);
        let connection = server.connect(ShardId(0));
        // More than the queue holds: it is not read until something is out.
        server.hand_in(connection.id, &[said("a"), said("b")].concat());
        connection.peer.say(&said("c"));
        let threads = [
            server.start_reader(&connection),
            server.start_writer(&connection),
        ];
        connection.peer.make_room(PLENTY);
        let heard = [told("a"), told("b"), told("c")].concat();
        assert_eq!(connection.peer.await_bytes(heard.len()), heard);
        server.abort(ShardId(0));
        join(threads);
    });
}

/// Fails if a message wakes no ticker, and if a ticker looks for messages before
/// it has said who it is.
#[test]
fn loom_a_ticker_wakes_for_messages() {
    model(|| {
        let server = ModelServer::new(Config::builder().shards(2), Rooms::default());
        let connection = server.connect(ShardId(0));
        let mut threads = server.threads();
        threads.start_ticker(ShardId(1)).expect("few threads");
        // This thread is the other ticker.
        server.set_ticker(ShardId(0), thread::current());
        let room = room_of_the_second();
        server.hand_in(connection.id, &said(&format!("join:{room}")));
        connection.peer.make_room(PLENTY);
        let joined = told(&format!("joined:{room}"));
        loop {
            let next = server.tick(ShardId(0));
            server.send(&connection);
            let heard = connection.peer.take_heard();
            if !heard.is_empty() {
                assert_eq!(heard, joined);
                break;
            }
            server.sleep(next);
        }
        drop(threads);
    });
}

/// Fails if `post_input` wakes no ticker.
#[test]
fn loom_a_ticker_wakes_for_the_answer_to_a_scrape() {
    model(|| {
        let page = Page::rendered("/metrics", PageId(0));
        let server = ModelServer::new(Config::builder().page(page), Rooms::default());
        let connection = server.admit(ShardId(0));
        server.hand_in(
            connection.id,
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
        connection.peer.make_room(PLENTY);
        // This thread is the ticker.
        server.set_ticker(ShardId(0), thread::current());
        let (host, id) = (Arc::clone(&server), connection.id);
        let answers = spawn(move || {
            let text = "up 1".into();
            host.post_input(id.shard(), ShardInput::Metrics { id, text });
        });
        let page = loop {
            let next = server.tick(ShardId(0));
            server.send(&connection);
            let heard = connection.peer.take_heard();
            if !heard.is_empty() {
                break heard;
            }
            server.sleep(next);
        };
        assert!(page.starts_with(b"HTTP/1.1 200 ") && page.ends_with(b"up 1"));
        join([answers]);
    });
}

/// Fails if `rearm` wakes no ticker.
#[test]
fn loom_a_ticker_wakes_for_an_earlier_deadline() {
    model(|| {
        let config = Config::builder().write_timeout(SHORT);
        let server = ModelServer::new(config, Rooms::default());
        let connection = server.connect(ShardId(0));
        let peer = connection.peer.clone();
        let writer = server.start_writer(&connection);
        drop(connection.socket);
        let mut threads = server.threads();
        threads.start_ticker(ShardId(0)).expect("few threads");
        server.hand_in(connection.id, &said("a"));
        // The peer takes nothing for too long.
        peer.await_close();
        join([writer]);
        drop(threads);
    });
}

/// Fails if a submitted task wakes no worker.
#[test]
fn loom_a_worker_wakes_for_a_task() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let connection = server.connect(ShardId(0));
        connection.peer.make_room(PLENTY);
        let workers = start_workers(&server, ModelWork).expect("few threads");
        let writer = server.start_writer(&connection);
        server.hand_in(connection.id, &said("task:a"));
        let done = told("processed_by_0:a");
        assert_eq!(connection.peer.await_bytes(done.len()), done);
        server.drain_workers();
        server.abort(ShardId(0));
        join(workers);
        join([writer]);
    });
}

/// The work of the rooms.
pub(super) struct ModelWork;

impl Work<Rooms> for ModelWork {
    fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        Ok(task.run(worker))
    }
}

/// The shortest that may be configured.
const SHORT: Duration = Duration::from_millis(10);
