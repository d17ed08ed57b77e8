//! Test with thousands of connections, each of which is in a room and receives what is published
//! there; and of the memory that such a connection costs.

use std::time::Instant;

use stentor_tests::Adapter;

use crate::raw::RawSocket;
use crate::server::{ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    five_thousand_hear_what_is_said_in_their_rooms_and_leave_nothing_behind,
}

const PEERS: usize = 5_000;
const ROOMS: usize = 10;

fn five_thousand_hear_what_is_said_in_their_rooms_and_leave_nothing_behind(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2");
    server.await_metric("stentor_sockets", 1);
    let (descriptors, threads) = (server.descriptors(), server.threads());
    let before = server.memory();
    let mut peers = Vec::new();
    for at in 0..PEERS {
        let mut raw = RawSocket::open(&server);
        raw.say(&format!("join:{}", at % ROOMS));
        raw.expect(&format!("joined:{}", at % ROOMS));
        peers.push(raw);
    }
    assert_eq!(server.metrics().get("ws_active_connections"), PEERS as u64);
    let expected = threads + PEERS * adapter.connection_threads();
    eventually("two threads each, or none", || server.threads() == expected);
    let each = (server.memory() - before) / PEERS;
    println!("{each} bytes of memory for each connection in a room");
    assert!(each <= adapter.idle_memory(), "{each} bytes each");

    for round in 0..3 {
        let begin = Instant::now();
        for (at, raw) in peers.iter_mut().enumerate().take(ROOMS) {
            raw.say(&format!("msg:{round} from {at}"));
        }
        for (at, raw) in peers.iter_mut().enumerate() {
            raw.expect(&format!("{round} from {}", at % ROOMS));
        }
        println!("all {PEERS} were told in {:?}", begin.elapsed());
    }
    drop(peers);
    server.await_metric("ws_active_connections", 0);
    server.await_metric("stentor_room_members", 0);
    eventually("threads are back", || server.threads() == threads);
    eventually("descriptors are back", || {
        server.descriptors() == descriptors
    });
}
