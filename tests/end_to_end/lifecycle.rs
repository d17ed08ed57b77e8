//! Tests that connections open and close without leaving anything behind, and that timeouts are
//! kept: pings, silence, handshakes and stalled writes.

use std::time::{Duration, Instant};

use socket2::SockRef;
use stentor_tests::Adapter;

use crate::guest::Guest;
use crate::queues::fill_queue;
use crate::raw::{PING, PONG, RawSocket, frame};
use crate::server::{ServerProcess, eventually};
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    an_idle_connection_is_pinged_on_time_and_lives,
    one_that_stops_answering_is_closed_and_its_room_is_freed,
    whoever_says_anything_lives_whether_or_not_it_answers_pings,
    a_peer_that_takes_nothing_is_cut_off_at_the_write_timeout,
    a_peer_that_does_not_answer_a_close_frame_is_let_go_of,
    ; async
    rounds_of_connections_leave_nothing_behind,
}

/// What a loaded machine may add to a time.
const SLACK: Duration = Duration::from_millis(400);

async fn rounds_of_connections_leave_nothing_behind(adapter: Adapter) {
    const ROUNDS: usize = 20;
    const PEERS: usize = 500;
    let server = ServerProcess::start(adapter, "--shards 2");
    server.await_metric("stentor_sockets", 1);
    let descriptors = server.descriptors();
    let threads = server.threads();
    let mut first = 0;
    for round in 1..=ROUNDS {
        let mut guests = Guest::connect_all(&server, PEERS).await;
        for (at, guest) in guests.iter_mut().enumerate() {
            guest.join(&format!("room {}", at % 100)).await;
        }
        for (at, guest) in guests.iter_mut().enumerate() {
            guest.say(&format!("msg:from {at}")).await;
        }
        for (at, guest) in guests.iter_mut().enumerate() {
            for _ in 0..PEERS / 100 {
                let text = guest.text().await;
                let from: usize = text
                    .strip_prefix("from ")
                    .and_then(|n| n.parse().ok())
                    .expect("a member");
                assert_eq!(from % 100, at % 100);
            }
        }
        assert_eq!(server.metrics().get("ws_active_connections"), PEERS as u64);
        for (at, guest) in guests.into_iter().enumerate() {
            match at % 3 {
                0 => guest.leave().await,
                1 => drop(guest),
                _ => {
                    let socket = SockRef::from(guest.socket());
                    socket.set_linger(Some(Duration::ZERO)).expect("an option");
                }
            }
        }
        server.await_metrics("nothing left", |metrics| {
            metrics.get("ws_active_connections") == 0
                && metrics.get("stentor_rooms") == 0
                && metrics.get("stentor_room_members") == 0
                && metrics.get("ws_send_queue_length") == 0
                && metrics.get("stentor_sockets") == 1
        });
        if round == 1 {
            first = server.memory();
        }
    }
    eventually("descriptors are back", || {
        server.descriptors() == descriptors
    });
    eventually("threads are back", || server.threads() == threads);
    let last = server.memory();
    assert!(
        last <= first + first / 10 + (2 << 20),
        "{first} bytes, then {last}"
    );
    let metrics = server.metrics();
    let opened = metrics.get("stentor_connections_opened_total");
    let closed: u64 = metrics
        .family("stentor_connections_closed_total")
        .map(|(_, n)| n)
        .sum();
    assert_eq!((opened, closed), ((ROUNDS * PEERS) as u64, opened));
    assert_eq!(
        metrics.get("stentor_connections_closed_total{cause=\"peer\"}"),
        ROUNDS as u64 * 167
    );
}

fn an_idle_connection_is_pinged_on_time_and_lives(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --ping-interval 800ms --pong-wait 1600ms",
    );
    let interval = Duration::from_millis(800);
    let tick = interval / 16;
    let mut raw = RawSocket::open(&server);
    let mut last = Instant::now();
    for n in 0..5 {
        let ping = raw.frame().expect("it lives");
        let now = Instant::now();
        assert_eq!(ping.opcode, PING);
        let waited = now - last;
        // The first may come early, so that many do not come at once.
        let least = if n == 0 { interval / 2 } else { interval };
        assert!(waited + SLACK / 4 >= least, "ping {n} after {waited:?}");
        assert!(
            waited <= interval + tick + SLACK,
            "ping {n} after {waited:?}"
        );
        raw.send(&frame(PONG, &ping.payload));
        last = now;
    }
    raw.say("still here");
    raw.expect("echo:still here");
    let metrics = server.metrics();
    assert!(metrics.get("stentor_control_frames_received_total{kind=\"pong\"}") >= 5);
}

fn one_that_stops_answering_is_closed_and_its_room_is_freed(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2 --ping-interval 500ms --pong-wait 1s");
    let mut raw = RawSocket::open(&server);
    raw.send(&frame(PONG, b""));
    raw.say("join:A");
    let last_said = Instant::now();
    raw.expect("joined:A");
    while raw.frame().is_some() {}
    let waited = last_said.elapsed();
    let (wait, tick) = (Duration::from_secs(1), Duration::from_millis(500) / 16);
    assert!(
        waited >= wait - SLACK / 4 && waited <= wait + tick + SLACK,
        "{waited:?}"
    );
    server.await_metric("stentor_rooms", 0);
    let metrics = server.metrics();
    assert_eq!(metrics.get("ws_active_connections"), 0);
    assert_eq!(
        metrics.get("stentor_connections_closed_total{cause=\"pong_timeout\"}"),
        1
    );
}

fn whoever_says_anything_lives_whether_or_not_it_answers_pings(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --ping-interval 200ms --pong-wait 400ms",
    );
    let mut raw = RawSocket::open(&server);
    let begin = Instant::now();
    let mut n = 0;
    while begin.elapsed() < Duration::from_millis(1_600) {
        raw.say(&format!("{n}"));
        loop {
            let heard = raw.frame().expect("it lives");
            if heard.opcode != PING {
                assert_eq!(heard.text(), format!("echo:{n}"));
                break;
            }
        }
        n += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn a_peer_that_takes_nothing_is_cut_off_at_the_write_timeout(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2 --client.write-timeout 500ms");
    let mut witnesses = Witnesses::of(&server);
    let rooms = server.metrics().get("stentor_rooms");
    let mut slow = RawSocket::open_narrow(&server);
    slow.say("join:A");
    slow.expect("joined:A");
    let before = server.metrics();
    let sent = fill_queue(&server, &mut slow, 20) as u64;
    let filled = Instant::now();
    server.await_metric(
        "stentor_connections_closed_total{cause=\"write_timeout\"}",
        1,
    );
    let waited = filled.elapsed();
    assert!(
        waited <= Duration::from_millis(500 + 500 / 16) + SLACK,
        "{waited:?}"
    );
    let metrics = server.await_metrics("nothing waits", |metrics| {
        metrics.get("ws_send_queue_length") == 0 && metrics.get("ws_active_connections") == 2
    });
    let written = metrics.since(&before, "ws_messages_sent_total");
    let dropped: u64 = ["refused_full", "evicted", "discarded"]
        .iter()
        .map(|reason| {
            metrics.since(
                &before,
                &format!("stentor_messages_dropped_total{{reason=\"{reason}\"}}"),
            )
        })
        .sum();
    assert_eq!(written + dropped, sent, "each is accounted for");
    server.await_metric("stentor_rooms", rooms);
    witnesses.talk("after");
}

fn a_peer_that_does_not_answer_a_close_frame_is_let_go_of(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 1 --close-timeout 300ms --max-message 10");
    let mut raw = RawSocket::open(&server);
    raw.say("far more than ten bytes");
    let close = raw.frame().expect("a close frame");
    assert_eq!(close.close_code(), Some(1009));
    // It neither answers nor closes its side.
    server.await_metric("stentor_sockets", 1);
    assert_eq!(raw.frame(), None);
}
