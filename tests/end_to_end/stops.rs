//! Tests that a server that was suspended for longer than its timeouts does not count that time
//! against peers, tasks or its own shutdown deadline.

use std::io::Write;
use std::net::TcpStream;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use rustix::process::Signal;
use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::queues::fill_queue;
use crate::raw::{CLOSE, PING, RawSocket, TEXT, frame};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    whoever_lives_outlives_a_stop_and_whoever_is_dead_does_not,
    a_reader_that_took_bytes_while_the_server_was_stopped_gets_the_rest,
    a_drain_gets_back_the_time_in_which_the_server_was_stopped,
}

/// Longer than every time-out of the servers here.
const STOP: Duration = Duration::from_secs(7);

/// A client that says nothing by itself and answers pings.
struct Quiet {
    writer: TcpStream,
    hears: JoinHandle<RawSocket>,
}

impl Quiet {
    /// Hears until the echo of this text.
    fn until_echo(mut raw: RawSocket, text: &'static str) -> Self {
        let writer = raw.stream().try_clone().expect("a descriptor");
        let hears = spawn(move || {
            let echo = format!("echo:{text}");
            while raw.hear().expect("it is not cut off").payload != echo.as_bytes() {}
            raw
        });
        Self { writer, hears }
    }

    fn say(&mut self, text: &str) {
        let said = frame(TEXT, text.as_bytes());
        self.writer.write_all(&said).expect("it is not cut off");
    }

    fn join(self) -> RawSocket {
        self.hears.join().expect("it heard what it was to hear")
    }
}

fn stop(server: &ServerProcess, meanwhile: impl FnOnce()) {
    server.signal(Signal::STOP);
    meanwhile();
    sleep(STOP);
    server.signal(Signal::CONT);
}

fn whoever_lives_outlives_a_stop_and_whoever_is_dead_does_not(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 2 --ping-interval 3s --pong-wait 6s --client.handshake-timeout 5s --rooms.work-time 1s \
         --tasks.timeout 5s --tasks.attempts 1",
    );
    let open = || Quiet::until_echo(RawSocket::open(&server), "still here");
    let mut all: Vec<Quiet> = (0..20).map(|_| open()).collect();
    let mut dead = RawSocket::open(&server);
    let pings = "stentor_control_frames_queued_total{kind=\"ping\"}";
    server.await_metrics("pings", |metrics| metrics.get(pings) >= 10);
    // Some were pinged by then, and these were not.
    all.extend((0..10).map(|_| open()));
    let (first, others) = all.split_first_mut().expect("some");
    first.say("task:slow");
    server.await_metric("stentor_tasks_running", 1);
    let mut request = RawSocket::connect(server.address());
    stop(&server, || {
        for quiet in &mut others[..10] {
            quiet.say("said meanwhile");
        }
        request.send(&crate::raw::upgrade(&[]));
    });
    request.expect_upgrade();
    for quiet in &mut all {
        quiet.say("still here");
    }
    for quiet in all {
        quiet.join();
    }
    server.await_metric("stentor_tasks_ended_total{result=\"done\"}", 1);
    let closed = "stentor_connections_closed_total{cause=\"pong_timeout\"}";
    // Of those who are served nobody is lost later either.
    server.await_metrics("the dead one is cut off", |metrics| {
        metrics.get(closed) >= 1
    });
    let mut last = dead.frame().expect("it was told something");
    while let Some(next) = dead.frame() {
        assert_eq!(last.opcode, PING);
        last = next;
    }
    assert_eq!((last.opcode, last.close_code()), (CLOSE, Some(1011)));
}

fn a_reader_that_took_bytes_while_the_server_was_stopped_gets_the_rest(adapter: Adapter) {
    let server = ServerProcess::start(
        adapter,
        "--shards 1 --client.write-timeout 5s --queue.messages 1000",
    );
    let mut slow = RawSocket::open_narrow(&server);
    fill_queue(&server, &mut slow, 20);
    let mut heard = 0;
    stop(&server, || {
        for _ in 0..3 {
            assert!(slow.hear().expect("an echo").text().starts_with("echo:"));
            heard += 1;
        }
    });
    slow.say("last");
    while slow.hear().expect("it is not cut off").payload != b"echo:last" {
        heard += 1;
    }
    assert!(heard >= 20);
    assert_eq!(server.metrics().get("ws_messages_dropped_total"), 0);
}

fn a_drain_gets_back_the_time_in_which_the_server_was_stopped(adapter: Adapter) {
    let mut server = ServerProcess::start(
        adapter,
        "--shards 2 --tasks.workers 1 --shutdown-timeout 5s --rooms.work-time 2s",
    );
    let mut raw = RawSocket::open(&server);
    raw.say("task:a");
    server.await_metric("stentor_tasks_running", 1);
    server.terminate();
    server
        .log()
        .wait_for("shutdown: stopping server and worker pool...");
    stop(&server, || {});
    raw.expect("processed_by_0:a");
    assert_eq!(raw.expect_close(), Some(1001));
    assert_eq!(server.exit_within(SOON).code(), Some(0));
    let line = server.log().wait_for("shutdown complete");
    assert_eq!(
        (line.number("discarded"), line.number("abandoned_tasks")),
        (0, 0)
    );
}
