//! Models of commands from application threads: each command reaches its shard, and every caller
//! that waits for a permit is woken when one is free or when the server ends.

use std::sync::Arc;

use stentor_core::channels::RemoteError;
use stentor_core::{Config, MessageType, ShardId};
use stentor_gateway::Rooms;

use super::model;
use super::server::{ModelServer, PLENTY, join, messages, spawn};
use crate::primitive::thread;
use crate::remote::{RemoteEndpoint, ServerHandle};

/// Fails if a message from an application thread wakes no ticker, if `notify_one` does not wait for
/// the lock or does not notify, and if `reserve` checks before it has the lock and not again.
#[test]
fn loom_whoever_waits_for_a_place_gets_it() {
    model(|| {
        let config = || Config::builder().remote_commands(1);
        let server = ModelServer::new(config(), Rooms::default());
        let outside = RemoteEndpoint::new(&config().build().expect("in range"));
        let connection = server.connect(ShardId(0));
        // This thread is the ticker.
        server.set_ticker(ShardId(0), thread::current());
        outside.begin(&server);
        let remote = ServerHandle::of(&outside);
        let speaker = spawn(move || {
            for text in ["a", "b"] {
                let place = remote.reserve().expect("the server serves");
                let told = place.broadcast(MessageType::Text, 10, text);
                assert_eq!(told, Ok(()));
            }
        });
        connection.peer.make_room(PLENTY);
        let mut heard = Vec::new();
        loop {
            let next = server.tick(ShardId(0));
            server.send(&connection);
            heard.extend(messages(&connection.peer.take_heard()));
            if heard.len() == 2 {
                break;
            }
            server.sleep(next);
        }
        assert_eq!(heard, ["a", "b"]);
        join([speaker]);
        assert!(outside.server_end.is_idle());
    });
}

/// Fails if `notify_all` does not wait for the lock, or wakes only one.
#[test]
fn loom_whoever_waits_for_a_place_learns_that_there_will_be_none() {
    model(|| {
        let config = Config::builder().remote_commands(1).build();
        let outside = Arc::new(RemoteEndpoint::new(&config.expect("in range")));
        let waiting = [0, 1].map(|_| {
            let remote = ServerHandle::of(&outside);
            spawn(move || {
                let told = remote.reserve();
                assert_eq!(told.err(), Some(RemoteError::Ended));
            })
        });
        // It has never served.
        drop(outside);
        join(waiting);
    });
}
