//! Model of several threads that send for one connection.

use stentor_core::{Config, ShardId};
use stentor_gateway::Rooms;

use super::model;
use super::server::{ModelServer, PLENTY, join, messages, said, told};

/// The reader sends its own replies, the writer what it leaves and what others cause. Fails if the
/// shard is told that bytes are sent when they are taken, and not when they have been sent. The
/// checks of `writing` and `full` in `SendBuffer::take` are a second safeguard: a shard does not
/// request a flush of bytes that a thread is sending.
#[test]
fn loom_one_thread_at_a_time_sends_for_a_connection_and_in_order() {
    model(|| {
        let server = ModelServer::new(Config::builder(), Rooms::default());
        let connection = server.connect(ShardId(0));
        let other = server.connect(ShardId(0));
        for connection in [&connection, &other] {
            server.exchange(connection, &said("join:r"));
        }
        connection.peer.make_room(5);
        connection.peer.say(&[said("a"), said("c")].concat());
        let threads = [
            server.start_reader(&connection),
            server.start_writer(&connection),
        ];
        server.hand_in(other.id, &said("msg:b"));
        connection.peer.make_room(PLENTY);
        let own = [told("echo:a"), told("echo:c")].concat();
        let len = own.len() + told("b").len();
        let mut heard = messages(&connection.peer.await_bytes(len));
        heard.retain(|message| message != "b");
        assert_eq!(heard, ["echo:a", "echo:c"]);
        server.abort(ShardId(0));
        join(threads);
    });
}
