//! Tests that the connection limit is exact, that a full server says so, and that the bytes that
//! wait for one connection are bounded.

use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::queues::fill_queue;
use crate::raw::{BINARY, RawSocket, frame, get, upgrade};
use crate::server::{ServerProcess, eventually};
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    one_connection_over_the_limit_is_told_and_the_others_go_on,
    many_at_once_get_in_up_to_the_limit_exactly,
    a_connection_for_which_there_is_no_thread_is_told_and_the_others_go_on,
    the_bytes_that_wait_for_one_connection_are_bounded,
}

fn one_connection_over_the_limit_is_told_and_the_others_go_on(adapter: Adapter) {
    for shards in ["1", "4"] {
        let server =
            ServerProcess::start(adapter, &format!("--shards {shards} --max-connections 10"));
        let mut witnesses = Witnesses::of(&server);
        let mut others: Vec<RawSocket> = (0..8).map(|_| RawSocket::open(&server)).collect();
        assert_eq!(server.log().count("connection limit reached"), 0);
        for n in 1..=5 {
            let mut surplus = RawSocket::connect(server.address());
            surplus.send(&upgrade(&[]));
            let response = surplus.response();
            assert_eq!(response.status, 503);
            assert!(response.header("retry-after").is_some());
            eventually("it is logged", || {
                server.log().count("connection limit reached") == n
            });
            witnesses.talk("meanwhile");
            for raw in &mut others {
                raw.say("here");
                raw.expect("echo:here");
            }
        }
        // One leaves, and one gets in: each way of leaving makes room for exactly one.
        for way in 0..3 {
            let mut raw = others.pop().expect("one");
            match way {
                0 => {
                    raw.send(&crate::raw::close(1000));
                    assert_eq!(raw.expect_close_answer(), Some(1000));
                }
                1 => raw.shut_write(),
                _ => raw.reset(),
            }
            let mut newcomer = None;
            eventually("there is room again", || {
                let mut raw = RawSocket::connect(server.address());
                raw.send(&upgrade(&[]));
                let is_in = raw.first_line().starts_with("HTTP/1.1 101");
                newcomer = is_in.then_some(raw);
                is_in
            });
            others.extend(newcomer);
            let mut surplus = RawSocket::connect(server.address());
            surplus.send(&upgrade(&[]));
            assert_eq!(surplus.response().status, 503);
            witnesses.talk("after");
        }
        // Whoever watches a full server can still see that it is full, and well.
        let mut monitor = RawSocket::connect(server.address());
        monitor.send(&get("/healthz"));
        assert_eq!(monitor.response().status, 200);
        let metrics = server.metrics();
        assert_eq!(metrics.get("ws_active_connections"), 10);
        let refused = metrics.get("stentor_handshakes_refused_total{cause=\"full\"}");
        assert!(refused >= 8, "{refused}");
    }
}

fn many_at_once_get_in_up_to_the_limit_exactly(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 4 --max-connections 50");
    let mut attempts: Vec<RawSocket> = (0..80)
        .map(|_| RawSocket::connect(server.address()))
        .collect();
    for raw in &mut attempts {
        raw.send_as_far_as_possible(&upgrade(&[]));
    }
    let (mut inside, mut told) = (Vec::new(), 0);
    for mut raw in attempts {
        match &raw.first_line()[9..12] {
            "101" => inside.push(raw),
            "503" => told += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((inside.len(), told), (50, 30));
}

fn a_connection_for_which_there_is_no_thread_is_told_and_the_others_go_on(adapter: Adapter) {
    const THREADS: usize = 60;
    if adapter.connection_threads() == 0 {
        return; // It starts none after it has begun to listen.
    }
    if !rustix::process::getuid().is_root() {
        eprintln!("left out, for it takes root");
        return;
    }
    // A user who has no other process, on a machine where this runs more than once either; root
    // itself has no such limit.
    let user = 20_000 + std::process::id() % 40_000;
    let mut server =
        match ServerProcess::start_with_threads(adapter, user, THREADS as u64, "--shards 2") {
            Ok(server) => server,
            Err(error) => {
                eprintln!("left out, for it takes a binary that all may run: {error}");
                return;
            }
        };
    // Once one is in, all threads of the server itself are there.
    let mut others = vec![RawSocket::open(&server)];
    let room = (THREADS - server.threads()) / adapter.connection_threads();
    others.extend((0..room).map(|_| RawSocket::open(&server)));
    for _ in 0..50 {
        let mut surplus = RawSocket::connect(server.address());
        surplus.send(&upgrade(&[]));
        let response = surplus.response();
        assert_eq!(response.status, 503);
        assert!(response.header("retry-after").is_some());
    }
    let line = server.log().wait_for("no thread for a connection");
    assert!(!line.text("error").is_empty());
    for raw in &mut others {
        raw.say("here");
        raw.expect("echo:here");
    }
    others.pop();
    eventually("there is room again", || {
        let mut raw = RawSocket::connect(server.address());
        raw.send(&upgrade(&[]));
        let is_in = raw.first_line().starts_with("HTTP/1.1 101");
        if is_in {
            others.push(raw);
        }
        is_in
    });
    others.pop();
    eventually("the metrics can be asked for", || {
        server.threads() + adapter.connection_threads() <= THREADS
    });
    let refused = "stentor_sockets_refused_total";
    server.await_metrics("counted", |metrics| metrics.get(refused) >= 50);
    server.terminate();
    assert_eq!(server.exit_within(SOON).code(), Some(0));
}

fn the_bytes_that_wait_for_one_connection_are_bounded(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --queue.bytes 256KiB --client.write-timeout 60s",
    );
    let mut slow = RawSocket::open_narrow(&server);
    fill_queue(&server, &mut slow, 20);
    let before = server.metrics();
    for n in 1..=64 {
        slow.send(&frame(BINARY, &vec![n; 100 << 10]));
    }
    let metrics = server.await_metrics("all received", |metrics| {
        metrics.get("stentor_messages_received_total{kind=\"binary\"}") == 64
    });
    assert!(metrics.get("stentor_send_queue_bytes") <= 256 << 10);
    let dropped = metrics.since(&before, "ws_messages_dropped_total");
    assert!(dropped >= 61, "{dropped} dropped");
    // Pongs have room of their own.
    slow.send(&frame(crate::raw::PING, b"still?"));
    loop {
        let heard = slow.hear().expect("open");
        if heard.opcode == crate::raw::PONG {
            assert_eq!(heard.payload, b"still?");
            break;
        }
    }
}
