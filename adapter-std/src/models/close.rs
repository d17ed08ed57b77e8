//! Models of connections that end while a thread is sending their bytes.

use stentor_core::{Config, ShardId};
use stentor_gateway::Rooms;

use super::model;
use super::server::{ModelServer, PLENTY, join, said, told};
use crate::send_buffer::{SendBuffer, settle};

/// Fails if `ShardSocket::end` does not end the socket, or wakes nobody.
#[test]
fn loom_nothing_is_sent_once_a_connection_has_ended() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let connection = server.connect(ShardId(0));
        connection.peer.make_room(PLENTY);
        server.hand_in(connection.id, &said("a"));
        let writer = server.start_writer(&connection);
        server.abort(ShardId(0));
        let heard = connection.peer.take_heard();
        assert!(heard.is_empty() || heard == told("echo:a"));
        join([writer]);
        assert!(connection.peer.take_heard().is_empty());
        assert!(server.all(|shard| shard.is_empty()));
    });
}

/// The reader sees it, the writer, or both. Fails if a reader does not tell the
/// shard, and if a connection's end leaves its threads asleep.
#[test]
fn loom_a_connection_ends_when_its_socket_fails() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let connection = server.connect(ShardId(0));
        connection.peer.make_room(PLENTY);
        let threads = [
            server.start_reader(&connection),
            server.start_writer(&connection),
        ];
        server.hand_in(connection.id, &said("a"));
        connection.peer.break_off();
        join(threads);
        assert!(server.all(|shard| shard.is_empty()));
    });
}

/// Fails if `ShardSockets::find` looks at slots only, so that the settlement of the old
/// connection ends the write of the new one.
#[test]
fn loom_a_late_settlement_leaves_the_next_connection_of_the_slot_alone() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let old = server.connect(ShardId(0));
        old.peer.make_room(PLENTY);
        server.hand_in(old.id, &said("a"));
        let writer = server.start_writer(&old);
        server.abort(ShardId(0));

        let new = server.connect(ShardId(0));
        assert!(new.id.slot() == old.id.slot() && new.id != old.id);
        new.peer.make_room(PLENTY);
        server.hand_in(new.id, &said("b"));
        let mut parcels = SendBuffer::new(&server.buffers);
        let taken = server.turn(ShardId(0), |_| {}, |inside| parcels.take(inside, new.id));
        assert!(taken);
        let sent = parcels.send(&new.socket);
        server.handle_with(ShardId(0), |inside| {
            let link = inside.links.find(new.id).expect("nobody has ended it");
            assert!(link.writing, "its bytes are in our hand still");
            settle(inside, new.id, sent);
        });
        join([writer]);
        assert_eq!(new.peer.take_heard(), told("echo:b"));
    });
}
