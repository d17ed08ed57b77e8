//! Tests that peers that send many insignificant frames, or half of what they announce, cost little
//! and do not affect other connections.

use std::io::Write;

use stentor_tests::Adapter;

use crate::raw::{BINARY, PING, PONG, RawSocket, TEXT, frame, header};
use crate::server::ServerProcess;
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    hundreds_of_half_sent_large_frames_cost_what_was_sent,
    a_flood_of_pings_is_answered_in_order_and_costs_little,
    a_ping_is_answered_with_what_it_bore,
    a_stream_that_is_cut_off_ends_the_connection_and_nothing_else,
    what_a_half_closed_peer_said_is_done_and_answered,
}

fn hundreds_of_half_sent_large_frames_cost_what_was_sent(adapter: Adapter) {
    const PEERS: usize = 400;
    const SENT: usize = 3_000;
    let server = ServerProcess::start(adapter, "--shards 2");
    let mut witnesses = Witnesses::of(&server);
    let mut peers: Vec<RawSocket> = (0..PEERS).map(|_| RawSocket::open(&server)).collect();
    let before = server.memory();
    let half = [header(0x80 | BINARY, 1 << 20), vec![1; SENT]].concat();
    for raw in &mut peers {
        raw.send(&half);
    }
    let sent = (PEERS * SENT) as u64;
    server.await_metrics("all received", |metrics| {
        metrics.get("stentor_socket_read_bytes_total") > sent
    });
    let grown = server.memory().saturating_sub(before);
    assert!(
        grown < PEERS * SENT * 3 + (4 << 20),
        "{grown} bytes for {sent}"
    );
    assert_eq!(
        server.metrics().get("ws_active_connections"),
        PEERS as u64 + 2
    );
    witnesses.talk("meanwhile");
    // The half that comes late is still taken, and makes a whole.
    let rest = vec![1 ^ 0x5A; (1 << 20) - SENT];
    peers[0].send(&rest);
    assert_eq!(peers[0].hear().expect("open").payload.len(), (1 << 20) + 5);
    drop(peers);
    server.await_metric("ws_active_connections", 2);
    witnesses.talk("after");
}

fn a_flood_of_pings_is_answered_in_order_and_costs_little(adapter: Adapter) {
    const COUNT: usize = 50_000;
    let server = ServerProcess::start(adapter, "--shards 2 --client.write-timeout 60s");
    let mut witnesses = Witnesses::of(&server);
    let mut raw = RawSocket::open_narrow(&server);
    let before = server.memory();
    let stream = raw.stream().try_clone().expect("a second handle");
    // The peer does not read before all is sent, whether or not the server goes on reading.
    let flooding = std::thread::spawn(move || {
        let pings: Vec<u8> = (0..COUNT)
            .flat_map(|n| frame(PING, format!("{n:0125}").as_bytes()))
            .chain(frame(TEXT, b"the end"))
            .collect();
        (&stream).write_all(&pings).expect("taken");
    });
    server.await_metrics("all pings taken", |metrics| {
        metrics.get("stentor_control_frames_received_total{kind=\"ping\"}") == COUNT as u64
    });
    flooding.join().expect("no panic");
    witnesses.talk("meanwhile");
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    let (mut last, mut pongs, mut echoed) = (None, 0, false);
    while last != Some(COUNT - 1) || !echoed {
        let heard = raw.hear().expect("open");
        if heard.opcode == TEXT {
            assert_eq!(heard.text(), "echo:the end");
            echoed = true;
            continue;
        }
        assert_eq!(heard.opcode, PONG);
        let number: usize = heard.text().parse().expect("a number");
        assert!(last < Some(number), "{number} after {last:?}");
        last = Some(number);
        pongs += 1;
    }
    let metrics = server.metrics();
    let replaced = metrics.get("stentor_pongs_replaced_total");
    assert_eq!(pongs + replaced, COUNT as u64);
    assert!(
        replaced > 0,
        "a peer that does not read has at most a few pongs waiting"
    );
}

fn a_ping_is_answered_with_what_it_bore(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let mut raw = RawSocket::open(&server);
    for payload in [&b""[..], b"x", &[0xFF; 125]] {
        raw.send(&frame(PING, payload));
        let pong = raw.frame().expect("open");
        assert_eq!((pong.opcode, &pong.payload[..]), (PONG, payload));
    }
    // A pong that nobody asked for is nothing.
    raw.send(&frame(PONG, b"unasked"));
    raw.say("x");
    raw.expect("echo:x");
}

fn a_stream_that_is_cut_off_ends_the_connection_and_nothing_else(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2");
    let mut witnesses = Witnesses::of(&server);
    let whole = frame(TEXT, b"msg:never said");
    for cut in 1..whole.len() {
        let mut raw = RawSocket::open(&server);
        raw.say("join:witnesses");
        raw.expect("joined:witnesses");
        raw.send(&whole[..cut]);
        raw.shut_write();
        assert_eq!(raw.hear(), None, "cut at {cut}");
        witnesses.talk(&format!("cut at {cut}"));
    }
    server.await_metric("ws_active_connections", 2);
    server.await_metric("stentor_room_members", 2);
    let ended = "stentor_connections_closed_total{cause=\"eof\"}";
    assert_eq!(server.metrics().get(ended), whole.len() as u64 - 1);
}

fn what_a_half_closed_peer_said_is_done_and_answered(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server = ServerProcess::start(adapter, &format!("--shards {shards}"));
        let mut witnesses = Witnesses::of(&server);
        let rooms = server.metrics().get("stentor_rooms");
        for room in ["A", "B", "C", "witnesses", "E"] {
            let mut raw = RawSocket::open(&server);
            let join = format!("join:{room}");
            let said: Vec<u8> = ["1", &join, "msg:2", "3"]
                .iter()
                .flat_map(|text| frame(TEXT, text.as_bytes()))
                .collect();
            raw.send(&said);
            raw.shut_write();
            let mut heard: Vec<String> =
                std::iter::from_fn(|| raw.hear().map(|frame| frame.text().to_owned())).collect();
            // Its own message comes back by way of the room's home, where it may find it gone.
            heard.retain(|text| text != "2");
            heard.sort();
            let joined = format!("joined:{room}");
            let context = format!("{shards} shards, room {room}");
            assert_eq!(heard, ["echo:1", "echo:3", &joined], "{context}");
            if room == "witnesses" {
                witnesses.hear("2");
            }
            witnesses.talk(room);
        }
        server.await_metric("ws_active_connections", 2);
        server.await_metric("stentor_rooms", rooms);
    }
}
