//! One regression test for each known defect of the server whose protocol this one implements, to
//! show that it is absent here. Each is short; other tests cover the same ground more widely.

use std::time::{Duration, Instant};

use stentor_tests::Adapter;

use crate::queues::fill_queue;
use crate::raw::{CLOSE, PING, RawSocket, TEXT, frame};
use crate::server::{ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    x1_a_disconnect_with_an_empty_queue_frees_everything,
    x2_a_connection_that_receives_nothing_is_pinged_and_lives,
    x3_messages_that_leave_together_are_not_run_together,
    x4_equal_priorities_arrive_in_order_from_a_queue_that_waited,
    x5_the_gauge_of_queues_is_the_sum_over_all_connections,
    x6_a_second_room_ends_the_first_and_empty_rooms_are_gone,
    x7_tasks_at_the_shutdown_are_done_and_later_ones_do_no_harm,
    x8_a_shutdown_drains_and_closes_every_connection,
    x9_a_peer_to_whom_a_ping_cannot_be_written_is_let_go_of_with_its_room,
    x10_what_waits_for_a_connection_is_bounded_in_bytes_and_every_loss_is_counted,
}

fn joined(server: &ServerProcess, room: &str) -> RawSocket {
    let mut raw = RawSocket::open(server);
    raw.say(&format!("join:{room}"));
    raw.expect(&format!("joined:{room}"));
    raw
}

fn x1_a_disconnect_with_an_empty_queue_frees_everything(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 4");
    server.await_metric("stentor_sockets", 1);
    let (descriptors, threads) = (server.descriptors(), server.threads());
    for _ in 0..3 {
        let members: Vec<RawSocket> = (0..30)
            .map(|n| joined(&server, &format!("room {n}")))
            .collect();
        assert_eq!(server.metrics().get("ws_active_connections"), 30);
        // What has been heard may not be counted yet.
        server.await_metric("ws_send_queue_length", 0);
        drop(members);
        server.await_metric("ws_active_connections", 0);
        server.await_metric("stentor_rooms", 0);
        eventually("descriptors are back", || {
            server.descriptors() == descriptors
        });
        eventually("threads are back", || server.threads() == threads);
    }
}

fn x2_a_connection_that_receives_nothing_is_pinged_and_lives(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --ping-interval 200ms --pong-wait 400ms",
    );
    let mut raw = RawSocket::open(&server);
    let begin = Instant::now();
    let mut pings = 0;
    while begin.elapsed() < Duration::from_millis(1_500) {
        let heard = raw.frame().expect("it lives");
        assert_eq!(heard.opcode, PING);
        // Anything renews its time, not only a pong.
        raw.send(&frame(TEXT, b"leave:"));
        assert_eq!(raw.frame().expect("it lives").text(), "error:no_room");
        pings += 1;
    }
    assert!(pings >= 3, "{pings} pings");
}

fn x3_messages_that_leave_together_are_not_run_together(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 1");
    let mut member = joined(&server, "A");
    let mut sender = joined(&server, "A");
    let said: Vec<u8> = (0..100)
        .flat_map(|n| frame(TEXT, format!("msg:{n}").as_bytes()))
        .collect();
    sender.send(&said);
    for n in 0..100 {
        member.expect(&n.to_string());
    }
}

fn x4_equal_priorities_arrive_in_order_from_a_queue_that_waited(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 1 --client.write-timeout 60s");
    let mut slow = RawSocket::open_narrow(&server);
    let sent = fill_queue(&server, &mut slow, 100);
    for n in 0..sent {
        slow.expect(&format!("echo:{n:08192}"));
    }
}

fn x5_the_gauge_of_queues_is_the_sum_over_all_connections(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2 --client.write-timeout 60s");
    let mut slow: Vec<RawSocket> = (0..3).map(|_| RawSocket::open_narrow(&server)).collect();
    for (n, raw) in (1..).zip(&mut slow) {
        fill_queue(&server, raw, 50);
        assert!(server.metrics().get("ws_send_queue_length") >= 50 * n);
    }
    drop(slow);
    server.await_metric("ws_send_queue_length", 0);
}

fn x6_a_second_room_ends_the_first_and_empty_rooms_are_gone(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 4");
    let mut watcher = joined(&server, "0");
    let mut mover = joined(&server, "0");
    for n in 1..50 {
        mover.say(&format!("join:{n}"));
        mover.expect(&format!("joined:{n}"));
    }
    assert_eq!(server.metrics().get("stentor_room_members"), 2);
    watcher.say("msg:not for who has left");
    watcher.expect("not for who has left");
    mover.say("leave:");
    mover.expect("left:49");
    watcher.say("leave:");
    watcher.expect("left:0");
    server.await_metric("stentor_rooms", 0);
    assert_eq!(server.metrics().get("ws_active_connections"), 2);
}

fn x7_tasks_at_the_shutdown_are_done_and_later_ones_do_no_harm(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 1 --tasks.workers 1 --rooms.work-time 200ms --shutdown-timeout 8s",
    );
    let mut raw = RawSocket::open(&server);
    for n in 0..4 {
        raw.say(&format!("task:{n}"));
    }
    server.await_metric("ws_tasks_submitted_total", 4);
    server.terminate();
    server
        .log()
        .wait_for("shutdown: stopping server and worker pool...");
    raw.say("task:too late");
    for n in 0..4 {
        raw.expect(&format!("processed_by_0:{n}"));
    }
    // The last one came in before reading ended, or it is not read.
    let last = raw.hear().expect("a close frame before the end");
    let code = match last.opcode {
        CLOSE => last.close_code(),
        _ => {
            assert_eq!(last.text(), "processed_by_0:too late");
            raw.expect_close()
        }
    };
    assert_eq!(code, Some(1001));
    drop(raw);
    assert_eq!(server.exit_within(Duration::from_secs(9)).code(), Some(0));
    let line = server.log().wait_for("shutdown complete");
    assert_eq!(line.number("abandoned_tasks"), 0);
}

fn x8_a_shutdown_drains_and_closes_every_connection(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 2 --shutdown-timeout 8s --client.write-timeout 60s",
    );
    let mut slow = RawSocket::open_narrow(&server);
    let sent = fill_queue(&server, &mut slow, 50);
    let mut idle = RawSocket::open(&server);
    server.terminate();
    assert_eq!(idle.expect_close(), Some(1001));
    for n in 0..sent {
        slow.expect(&format!("echo:{n:08192}"));
    }
    assert_eq!(slow.expect_close(), Some(1001));
    drop((slow, idle));
    assert_eq!(server.exit_within(Duration::from_secs(9)).code(), Some(0));
}

fn x9_a_peer_to_whom_a_ping_cannot_be_written_is_let_go_of_with_its_room(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2 --ping-interval 200ms --pong-wait 60s");
    let gone = joined(&server, "A");
    gone.reset();
    server.await_metric("ws_active_connections", 0);
    // One that reads nothing either: its pings cannot be written.
    let server = ServerProcess::start(
        adapter,
        "--shards 2 --ping-interval 200ms --pong-wait 60s --client.write-timeout 600ms",
    );
    let mut stuck = RawSocket::open_narrow(&server);
    stuck.say("join:A");
    stuck.expect("joined:A");
    fill_queue(&server, &mut stuck, 20);
    server.await_metric(
        "stentor_connections_closed_total{cause=\"write_timeout\"}",
        1,
    );
    server.await_metric("stentor_rooms", 0);
    assert_eq!(server.metrics().get("ws_active_connections"), 0);
}

fn x10_what_waits_for_a_connection_is_bounded_in_bytes_and_every_loss_is_counted(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --queue.bytes 1MiB --client.write-timeout 60s",
    );
    let mut slow = RawSocket::open_narrow(&server);
    slow.say("join:A");
    slow.expect("joined:A");
    let mut sender = joined(&server, "A");
    let long = "x".repeat(256 << 10);
    let count = 40;
    for _ in 0..count {
        sender.say(&format!("msg:{long}"));
        sender.expect(&long);
    }
    let metrics = server.metrics();
    assert!(metrics.get("stentor_send_queue_bytes") <= 1 << 20);
    let dropped = metrics.get("ws_messages_dropped_total");
    assert!(dropped > 0);
    for _ in 0..count - dropped {
        slow.expect(&long);
    }
    slow.say("that was all");
    slow.expect("echo:that was all");
}
