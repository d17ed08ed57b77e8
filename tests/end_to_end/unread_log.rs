//! A log that is blocked, slow, closed or full: it costs lines, which are counted, and clients
//! notice nothing; nor does it keep the server from its end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::pipe::{fcntl_getpipe_size, pipe};
use rustix::process::{Resource, Rlimit, prlimit};
use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::raw::{RawSocket, close};
use crate::server::{ServerProcess, eventually};
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    clients_of_a_server_whose_log_is_blocked_are_served,
    a_server_whose_log_is_blocked_ends_in_order,
    a_slow_reader_of_the_log_slows_down_nothing_else,
    a_log_that_cannot_be_written_is_lost_and_counted,
    a_log_file_at_its_size_limit_takes_no_more_and_ends_nothing,
    a_server_without_a_standard_error_serves,
}

const DROPPED: &str = "stentor_log_lines_dropped_total";
const FLAGS: &str = "--shards 2 --log trace";

/// The binary with a small queue of lines.
fn with_small_queue(adapter: Adapter) -> Command {
    let mut command = adapter.command();
    command.env("STENTOR_LOG_QUEUE_BYTES", "8KiB");
    command
}

/// A pipe that takes nothing more before it is read: what reads it, and what writes it.
fn full_pipe() -> (File, OwnedFd) {
    let (reader, writer) = pipe().expect("a pipe");
    let size = fcntl_getpipe_size(&writer).expect("a pipe");
    let mut filler = vec![b'x'; size];
    filler[size - 1] = b'\n';
    let mut file = File::from(writer);
    file.write_all(&filler).expect("room");
    (reader.into(), file.into())
}

/// Connections come and go, of which the log says more than a small queue and a pipe hold.
fn come_and_go(server: &ServerProcess, connections: usize) {
    for _ in 0..connections {
        let mut raw = RawSocket::open(server);
        raw.say("here");
        raw.expect("echo:here");
        raw.send(&close(1000));
        assert_eq!(raw.expect_close_answer(), Some(1000));
    }
}

fn end(server: &mut ServerProcess) {
    server.terminate();
    assert_eq!(server.exit_within(SOON).code(), Some(0));
}

fn clients_of_a_server_whose_log_is_blocked_are_served(adapter: Adapter) {
    let (reader, writer) = full_pipe();
    let mut server =
        ServerProcess::start_unread(&mut with_small_queue(adapter), writer.into(), FLAGS);
    let mut witnesses = Witnesses::of(&server);
    come_and_go(&server, 100);
    witnesses.talk("meanwhile");
    let dropped = server.metrics().get(DROPPED);
    assert!(dropped > 0);

    // Once somebody reads, lines come again, and how many are missing.
    server.read_log(reader);
    server.log().wait_for("listening on");
    let reported = || {
        let lines = server.log().all("log lines were dropped");
        lines.map(|line| line.number("lines")).sum::<u64>()
    };
    eventually("all are reported", || {
        let dropped = server.metrics().get(DROPPED);
        reported() == dropped
    });
    let opened = server.log().count("opened");
    witnesses.talk("meanwhile");
    let _raw = RawSocket::open(&server);
    eventually("lines come again", || server.log().count("opened") > opened);
    end(&mut server);
    server.log().wait_for("shutdown complete");
}

fn a_server_whose_log_is_blocked_ends_in_order(adapter: Adapter) {
    let (_reader, writer) = full_pipe();
    let mut server =
        ServerProcess::start_unread(&mut with_small_queue(adapter), writer.into(), FLAGS);
    let mut raw = RawSocket::open(&server);
    come_and_go(&server, 100);
    server.terminate();
    assert_eq!(raw.expect_close(), Some(1001));
    assert_eq!(server.exit_within(SOON).code(), Some(0));
}

fn a_slow_reader_of_the_log_slows_down_nothing_else(adapter: Adapter) {
    let (mut reader, writer) = full_pipe();
    let mut server =
        ServerProcess::start_unread(&mut with_small_queue(adapter), writer.into(), FLAGS);
    let reading = thread::spawn(move || {
        let mut piece = [0; 200];
        while reader.read(&mut piece).is_ok_and(|n| n > 0) {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let mut witnesses = Witnesses::of(&server);
    come_and_go(&server, 200);
    witnesses.talk("meanwhile");
    assert!(server.metrics().get(DROPPED) > 0);
    end(&mut server);
    reading.join().expect("no panic");
}

fn a_log_that_cannot_be_written_is_lost_and_counted(adapter: Adapter) {
    let full = File::options().write(true).open("/dev/full");
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    for stderr in [Stdio::from(full.expect("opened")), writer.into()] {
        let mut server = ServerProcess::start_unread(&mut adapter.command(), stderr, FLAGS);
        let mut witnesses = Witnesses::of(&server);
        come_and_go(&server, 20);
        witnesses.talk("meanwhile");
        // What was there at the start, and two lines of each connection.
        server.await_metrics("counted", |metrics| metrics.get(DROPPED) > 40);
        end(&mut server);
    }
}

fn a_log_file_at_its_size_limit_takes_no_more_and_ends_nothing(adapter: Adapter) {
    let file = tempfile::tempfile().expect("a file");
    let mut server = ServerProcess::start_unread(&mut adapter.command(), file.into(), FLAGS);
    let mut witnesses = Witnesses::of(&server);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    prlimit(Some(server.pid()), Resource::Fsize, none).expect("it runs");
    come_and_go(&server, 20);
    witnesses.talk("meanwhile");
    server.await_metrics("counted", |metrics| metrics.get(DROPPED) >= 20);
    end(&mut server);
}

fn a_server_without_a_standard_error_serves(adapter: Adapter) {
    let binary = adapter.command().get_program().to_owned();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec \"$0\" \"$@\" 2>&- >&-"])
        .arg(binary);
    let mut server = ServerProcess::start_unread(&mut shell, Stdio::null(), FLAGS);
    let mut witnesses = Witnesses::of(&server);
    come_and_go(&server, 20);
    witnesses.talk("meanwhile");
    end(&mut server);
}
