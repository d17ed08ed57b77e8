//! Tests of the graceful shutdown: accepted messages arrive, every connection is notified, and what
//! the deadline cuts off is counted.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitStatus;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stentor_tests::Adapter;
use stentor_tests::log::LogLine;

use crate::guest::Guest;
use crate::queues::fill_queue;
use crate::raw::{CLOSE, RawSocket, TEXT, frame, get};
use crate::server::{ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    what_was_accepted_arrives_and_then_everyone_is_told,
    what_the_deadline_cuts_off_is_counted,
    running_and_waiting_tasks_finish_before_the_goodbye,
    a_task_that_does_not_end_does_not_cost_the_others_their_goodbye,
    a_task_that_waits_to_be_tried_again_has_its_last_attempt_at_the_end,
    nobody_new_is_let_in_meanwhile,
    a_page_asked_for_meanwhile_is_refused,
    no_time_at_all_is_enough_to_count_what_is_lost,
    an_echo_that_nobody_takes_does_not_hold_up_the_end,
    a_second_signal_ends_it_at_once,
    a_server_without_connections_ends_at_once,
    members_of_rooms_at_home_on_empty_shards_do_not_hold_up_the_end,
    ; async
    a_client_of_another_make_hears_the_end_too,
}

/// Ends the server; says how, and what it logged last.
pub(crate) fn end(server: &mut ServerProcess, within: Duration) -> (ExitStatus, LogLine) {
    let status = server.exit_within(within);
    server
        .log()
        .wait_for("shutdown: stopping server and worker pool...");
    let line = server.log().wait_for("shutdown complete");
    assert_eq!(line.ended(), line.number("accepted"), "{line:?}");
    (status, line)
}

fn joined(mut raw: RawSocket, room: &str) -> RawSocket {
    raw.say(&format!("join:{room}"));
    raw.expect(&format!("joined:{room}"));
    raw
}

/// Reads to the close frame behind which nothing comes: what was heard, and the code.
/// Before it answers, it says no more.
fn hear_out(
    mut raw: RawSocket,
    pause: Duration,
    silence: impl FnOnce(),
) -> (Vec<String>, Option<u16>) {
    let mut heard = Vec::new();
    loop {
        let frame = raw.hear().expect("a close frame before the end");
        if frame.opcode == CLOSE {
            let code = frame.close_code();
            silence();
            raw.send_as_far_as_possible(&crate::raw::frame(CLOSE, &frame.payload));
            assert_eq!(raw.hear(), None);
            return (heard, code);
        }
        heard.push(frame.text().to_owned());
        if heard.len() % 200 == 0 {
            thread::sleep(pause);
        }
    }
}

fn what_was_accepted_arrives_and_then_everyone_is_told(adapter: Adapter) {
    for shards in ["1", "4"] {
        let flags = format!(
            "--shards {shards} --queue.messages 200000 --queue.bytes 64MiB --shutdown-timeout 10s"
        );
        let mut server = ServerProcess::start(adapter, &flags);
        let rooms = ["A", "B", "C"];
        let mut readers = Vec::new();
        for room in rooms {
            for at in 0..4 {
                let raw = joined(RawSocket::open(&server), room);
                let pause = Duration::from_millis(if at == 0 { 20 } else { 0 });
                readers.push((room, thread::spawn(move || hear_out(raw, pause, || ()))));
            }
        }
        let members: Vec<(&str, RawSocket)> = (rooms.into_iter().cycle().take(6))
            .map(|room| (room, joined(RawSocket::open(&server), room)))
            .collect();
        // All are members before anything is said.
        for (at, (room, raw)) in members.into_iter().enumerate() {
            let stream = raw.stream().try_clone().expect("a second handle");
            let (silence, silenced) = mpsc::channel::<()>();
            let sender = thread::spawn(move || {
                for n in 0.. {
                    let said = frame(TEXT, format!("msg:{at} {n}").as_bytes());
                    let is_silenced = silenced.try_recv() == Err(TryRecvError::Disconnected);
                    if is_silenced || (&stream).write_all(&said).is_err() {
                        return;
                    }
                    if n % 50 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            });
            let silence = move || {
                drop(silence);
                sender.join().expect("no panic");
            };
            let reader = thread::spawn(move || hear_out(raw, Duration::ZERO, silence));
            readers.push((room, reader));
        }
        server.await_metrics("under load", |metrics| {
            metrics.get("stentor_publications_total") > 5_000
        });
        let accepted = server.metrics().get("stentor_publications_total");
        server.terminate();
        let (status, line) = end(&mut server, Duration::from_secs(11));
        assert_eq!(status.code(), Some(0));
        assert_eq!(
            line.number("discarded") + line.number("evicted"),
            0,
            "{line:?}"
        );

        let mut by_room: Vec<(&str, HashSet<String>)> = Vec::new();
        let mut all = 0;
        for (room, reader) in readers {
            let (heard, code) = reader.join().expect("no panic");
            assert_eq!(code, Some(1001));
            all += heard.len() as u64;
            // What one sender said, every member heard in order and without a gap.
            for sender in 0..6 {
                let own = heard
                    .iter()
                    .filter_map(|text| text.strip_prefix(&format!("{sender} ")));
                for (expected, number) in own.enumerate() {
                    assert_eq!(number, expected.to_string(), "of sender {sender}");
                }
            }
            // And all members of a room heard the same.
            let heard: HashSet<String> = heard.into_iter().collect();
            match by_room.iter().find(|(other, _)| *other == room) {
                Some((_, same)) => assert!(heard == *same, "members of {room} differ"),
                None => by_room.push((room, heard)),
            }
        }
        let heard: usize = by_room.iter().map(|(_, heard)| heard.len()).sum();
        assert!(heard as u64 >= accepted, "{heard} of {accepted}");
        assert_eq!(
            line.number("written"),
            all + 18,
            "all that was written was heard"
        );
    }
}

fn what_the_deadline_cuts_off_is_counted(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 2 --shutdown-timeout 1s --client.write-timeout 60s",
    );
    let mut stuck = RawSocket::open_narrow(&server);
    fill_queue(&server, &mut stuck, 50);
    let waiting = server.metrics().get("ws_send_queue_length");
    let good = joined(RawSocket::open(&server), "A");
    let begin = Instant::now();
    server.terminate();
    let (heard, code) = hear_out(good, Duration::ZERO, || ());
    assert_eq!(
        (heard.len(), code),
        (0, Some(1001)),
        "others are told at once"
    );
    assert!(
        begin.elapsed() < Duration::from_millis(900),
        "{:?}",
        begin.elapsed()
    );
    let (status, line) = end(&mut server, Duration::from_secs(2));
    assert!(
        begin.elapsed() >= Duration::from_secs(1),
        "the stuck one had its time"
    );
    assert_eq!(status.code(), Some(0));
    assert_eq!(line.number("discarded"), waiting, "{line:?}");
    drop(stuck);
}

fn running_and_waiting_tasks_finish_before_the_goodbye(adapter: Adapter) {
    for shards in ["1", "4"] {
        let flags = format!(
            "--shards {shards} --tasks.workers 2 --rooms.work-time 400ms --shutdown-timeout 8s"
        );
        let mut server = ServerProcess::start(adapter, &flags);
        let mut listener = joined(RawSocket::open(&server), "A");
        let mut senders = [(); 2].map(|()| joined(RawSocket::open(&server), "A"));
        for sender in &mut senders {
            for n in 0..3 {
                sender.say(&format!("task:{n}"));
            }
        }
        server.await_metrics("two run and some wait", |metrics| {
            metrics.get("stentor_tasks_running") == 2
                && metrics.get("ws_tasks_submitted_total") == 6
        });
        server.signal(Signal::INT);
        for sender in &mut senders {
            let (mut results, mut told) = (0, 0);
            for _ in 0..9 {
                let frame = sender.hear().expect("open");
                results += usize::from(frame.text().starts_with("processed_by_"));
                told += usize::from(frame.text().starts_with("room_broadcast:"));
            }
            assert_eq!((results, told), (3, 6));
            assert_eq!(sender.expect_close(), Some(1001));
        }
        for _ in 0..6 {
            let frame = listener.hear().expect("open");
            assert!(frame.text().starts_with("room_broadcast:"));
        }
        assert_eq!(listener.expect_close(), Some(1001));
        let (status, line) = end(&mut server, Duration::from_secs(9));
        assert_eq!(status.code(), Some(0));
        assert_eq!(
            (line.number("abandoned_tasks"), line.number("discarded")),
            (0, 0)
        );
    }
}

fn a_task_that_does_not_end_does_not_cost_the_others_their_goodbye(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 1 --rooms.work-time 1h --shutdown-timeout 1s",
    );
    let mut raw = joined(RawSocket::open(&server), "A");
    raw.say("task:for ever");
    server.await_metric("stentor_tasks_running", 1);
    server.terminate();
    assert_eq!(raw.expect_close(), Some(1001));
    let (status, line) = end(&mut server, Duration::from_secs(2));
    assert_eq!(status.code(), Some(0));
    assert_eq!(line.number("abandoned_tasks"), 1);
    let line = server.log().wait_for("tasks were not finished");
    assert_eq!((line.number("running"), line.number("waiting")), (1, 0));
}

fn a_task_that_waits_to_be_tried_again_has_its_last_attempt_at_the_end(adapter: Adapter) {
    for shards in ["1", "4"] {
        // The wait is a random part of the hour, the same in every run.
        let flags = format!(
            "--shards {shards} --seed 1 --shutdown-timeout 8s --rooms.work-time 1h --tasks.timeout 100ms \
             --tasks.attempts 5 --tasks.backoff 1h --tasks.max-backoff 1h"
        );
        let mut server = ServerProcess::start(adapter, &flags);
        let mut raw = joined(RawSocket::open(&server), "A");
        raw.say("task:in vain");
        server.await_metric("stentor_tasks_delayed", 1);
        let begin = Instant::now();
        server.terminate();
        raw.expect("task_failed");
        assert_eq!(raw.expect_close(), Some(1001));
        let (status, line) = end(&mut server, Duration::from_secs(4));
        assert!(begin.elapsed() < Duration::from_secs(4));
        assert_eq!(status.code(), Some(0));
        let counted = ["abandoned_tasks", "dead_letters"].map(|name| line.number(name));
        assert_eq!(counted, [0, 1]);
    }
}

fn nobody_new_is_let_in_meanwhile(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 2 --shutdown-timeout 3s --client.write-timeout 60s --client.handshake-timeout 60s",
    );
    let mut stuck = RawSocket::open_narrow(&server);
    fill_queue(&server, &mut stuck, 50);
    let early: Vec<RawSocket> = (0..20)
        .map(|_| RawSocket::connect(server.address()))
        .collect();
    server.await_metrics("they are there", |metrics| {
        metrics.get("stentor_sockets") == 22
    });
    server.terminate();
    let address = server.address();
    eventually("connections are refused", || {
        TcpStream::connect(address).is_err()
    });
    assert!(server.is_running(), "it still drains");
    // Those that had connected and ask only now are not let in either.
    let mut refused = 0;
    for mut early in early {
        early.send_as_far_as_possible(&get("/ws"));
        let mut answer = Vec::new();
        let _ = early.stream().read_to_end(&mut answer);
        if answer.is_empty() || answer.starts_with(b"HTTP/1.1 503") {
            refused += 1;
        } else {
            // Its shard had not been told yet: of two, each is told once.
            assert!(answer.starts_with(b"HTTP/1.1 426"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(refused > 0);
    end(&mut server, Duration::from_secs(4));
}

/// So no metric says that a server drains: nobody could read it there.
fn a_page_asked_for_meanwhile_is_refused(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 1 --rooms.work-time 3s --shutdown-timeout 8s",
    );
    let mut sender = joined(RawSocket::open(&server), "A");
    sender.say("task:a");
    server.await_metric("stentor_tasks_running", 1);
    let early: Vec<RawSocket> = (0..40)
        .map(|_| RawSocket::connect(server.address()))
        .collect();
    server.await_metrics("they are there", |metrics| {
        metrics.get("stentor_sockets") == 42
    });
    server.terminate();
    let mut refused = 0;
    for mut early in early {
        early.send_as_far_as_possible(&get("/metrics"));
        let mut answer = Vec::new();
        let _ = early.stream().read_to_end(&mut answer);
        if answer.starts_with(b"HTTP/1.1 503") {
            refused += 1;
        } else {
            // The shard had not been told yet.
            assert!(answer.starts_with(b"HTTP/1.1 200") && refused == 0);
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(refused > 0);
    assert_eq!(hear_out(sender, Duration::ZERO, || ()).1, Some(1001));
    end(&mut server, Duration::from_secs(9));
}

async fn a_client_of_another_make_hears_the_end_too(adapter: Adapter) {
    for handler in ["rooms", "echo"] {
        let mut server = ServerProcess::start(adapter, &format!("--shards 4 --handler {handler}"));
        let mut guests = Guest::connect_all(&server, 8).await;
        for guest in &mut guests {
            guest.say("before").await;
        }
        server.await_metric("ws_messages_sent_total", 8);
        server.terminate();
        for mut guest in guests {
            assert!(guest.text().await.ends_with("before"));
            assert_eq!(guest.closed().await, 1001);
            assert_eq!(guest.hear().await, None);
        }
        let (status, _) = end(&mut server, Duration::from_secs(3));
        assert_eq!(status.code(), Some(0));
    }
}

fn no_time_at_all_is_enough_to_count_what_is_lost(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 2 --shutdown-timeout 0s --client.write-timeout 60s",
    );
    let mut stuck = RawSocket::open_narrow(&server);
    fill_queue(&server, &mut stuck, 50);
    let waiting = server.metrics().get("ws_send_queue_length");
    server.terminate();
    let (status, line) = end(&mut server, Duration::from_secs(1));
    assert_eq!(
        (status.code(), line.number("discarded")),
        (Some(0), waiting)
    );
}

fn an_echo_that_nobody_takes_does_not_hold_up_the_end(adapter: Adapter) {
    let flags = "--handler echo --shards 2 --shutdown-timeout 1s --client.write-timeout 60s --queue.messages 32";
    let mut server = ServerProcess::start(adapter, flags);
    let mut good = RawSocket::open(&server);
    let stuck = RawSocket::open_narrow(&server);
    let stream = stuck.stream().try_clone().expect("a second handle");
    let flooding = thread::spawn(move || {
        let message = frame(TEXT, &[b'x'; 100_000]);
        while (&stream).write_all(&message).is_ok() {}
    });
    server.await_metrics("it is not read", |metrics| {
        metrics.get("stentor_read_pauses_total") > 0
    });
    server.terminate();
    assert_eq!(good.expect_close(), Some(1001));
    let (status, line) = end(&mut server, Duration::from_secs(2));
    assert_eq!(status.code(), Some(0));
    assert!(line.number("discarded") > 0, "{line:?}");
    drop(stuck);
    flooding.join().expect("no panic");
}

fn a_second_signal_ends_it_at_once(adapter: Adapter) {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        for has_task in [true, false] {
            let flags =
                "--shards 2 --rooms.work-time 1h --shutdown-timeout 1h --client.write-timeout 1h";
            let mut server = ServerProcess::start(adapter, flags);
            let mut stuck = RawSocket::open_narrow(&server);
            fill_queue(&server, &mut stuck, 50);
            let waiting = server.metrics().get("ws_send_queue_length");
            let mut good = joined(RawSocket::open(&server), "A");
            if has_task {
                good.say("task:for ever");
                server.await_metric("stentor_tasks_running", 1);
            }
            server.signal(first);
            server
                .log()
                .wait_for("shutdown: stopping server and worker pool...");
            if !has_task {
                // Told already; it is the other that keeps the server.
                assert_eq!(good.expect_close(), Some(1001));
            }
            thread::sleep(Duration::from_millis(300));
            assert!(server.is_running(), "it waits");
            let begin = Instant::now();
            server.signal(second);
            if has_task {
                assert_eq!(good.expect_close(), Some(1001));
            }
            let (status, line) = end(&mut server, Duration::from_secs(3));
            assert!(
                begin.elapsed() < Duration::from_secs(3),
                "{:?}",
                begin.elapsed()
            );
            assert_eq!(status.code(), Some(0));
            assert_eq!(line.number("discarded"), waiting, "{line:?}");
            server.log().wait_for("shutdown: forced, closing at once");
            drop(stuck);
        }
    }
}

fn a_server_without_connections_ends_at_once(adapter: Adapter) {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = ServerProcess::start(adapter, "--shutdown-timeout 30s");
        server.signal(signal);
        let (status, line) = end(&mut server, Duration::from_secs(2));
        assert_eq!((status.code(), line.number("accepted")), (Some(0), 0));
    }
}

fn members_of_rooms_at_home_on_empty_shards_do_not_hold_up_the_end(adapter: Adapter) {
    for room in ["A", "B", "C", "D", "E", "F"] {
        let mut server = ServerProcess::start(adapter, "--shards 4 --shutdown-timeout 5s");
        let mut raw = joined(RawSocket::open(&server), room);
        server.terminate();
        assert_eq!(raw.expect_close(), Some(1001));
        drop(raw);
        let (status, _) = end(&mut server, Duration::from_secs(2));
        assert_eq!(status.code(), Some(0));
    }
}
