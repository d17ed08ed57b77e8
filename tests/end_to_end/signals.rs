//! Signals: those that end the server in order, those that do nothing to it, and the one that is
//! left to the operating system.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, prlimit};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::drain::end;
use crate::raw::RawSocket;
use crate::server::ServerProcess;
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    a_hangup_of_the_terminal_ends_the_server_in_order,
    a_second_hangup_ends_it_at_once,
    a_hangup_that_was_ignored_at_the_start_stays_ignored,
    signals_that_mean_nothing_to_the_server_change_nothing,
    a_quit_is_left_to_the_operating_system,
}

/// A command by which the binary runs whatever the tests were started with does to `SIGHUP` and
/// `SIGQUIT`: a shell ignores the latter for what it runs in the background.
pub(crate) fn with_default_signals(adapter: Adapter, shell: &str) -> Command {
    let binary = adapter.command().get_program().to_owned();
    let mut command = Command::new("env");
    command
        .args(["--default-signal=HUP,QUIT", "sh", "-c", shell])
        .arg(binary);
    command
}

/// Returns a terminal and a command by which the binary runs with it as its standard input.
fn in_a_terminal(adapter: Adapter) -> (OwnedFd, Command) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("it is ours");
    unlockpt(&terminal).expect("it is ours");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name");
    let name = name.to_str().expect("a path");
    let command = with_default_signals(adapter, &format!("exec \"$0\" \"$@\" <{name}"));
    (terminal, command)
}

fn a_hangup_of_the_terminal_ends_the_server_in_order(adapter: Adapter) {
    let (_terminal, mut command) = in_a_terminal(adapter);
    let mut server = ServerProcess::start_by(&mut command, "--shards 2");
    let mut clients: Vec<RawSocket> = (0..4).map(|_| RawSocket::open(&server)).collect();
    server.signal(Signal::HUP);
    for client in &mut clients {
        assert_eq!(client.expect_close(), Some(1001));
    }
    let (status, _) = end(&mut server, SOON);
    assert_eq!(status.code(), Some(0));
}

fn a_second_hangup_ends_it_at_once(adapter: Adapter) {
    let (_terminal, mut command) = in_a_terminal(adapter);
    let mut server =
        ServerProcess::start_by(&mut command, "--rooms.work-time 1h --shutdown-timeout 1h");
    let mut client = RawSocket::open(&server);
    client.say("task:for ever");
    server.await_metric("stentor_tasks_running", 1);
    server.signal(Signal::HUP);
    server
        .log()
        .wait_for("shutdown: stopping server and worker pool...");
    server.signal(Signal::HUP);
    assert_eq!(client.expect_close(), Some(1001));
    assert_eq!(end(&mut server, SOON).0.code(), Some(0));
}

fn a_hangup_that_was_ignored_at_the_start_stays_ignored(adapter: Adapter) {
    let mut command = with_default_signals(adapter, "trap '' HUP; exec \"$0\" \"$@\"");
    let mut server = ServerProcess::start_by(&mut command, "--shards 2");
    assert_unmoved_by(&server, &[Signal::HUP]);
    server.terminate();
    assert_eq!(end(&mut server, SOON).0.code(), Some(0));
}

fn signals_that_mean_nothing_to_the_server_change_nothing(adapter: Adapter) {
    let mut server = ServerProcess::start(adapter, "--shards 2");
    assert_unmoved_by(
        &server,
        &[Signal::USR1, Signal::USR2, Signal::PIPE, Signal::XFSZ],
    );
    server.terminate();
    assert_eq!(end(&mut server, SOON).0.code(), Some(0));
}

/// Those who are connected stay so, and new ones come in.
fn assert_unmoved_by(server: &ServerProcess, signals: &[Signal]) {
    let mut witnesses = Witnesses::of(server);
    for &signal in signals {
        for _ in 0..3 {
            server.signal(signal);
            // Long enough for a server that minds to have begun to end.
            std::thread::sleep(Duration::from_millis(100));
            witnesses.talk("still here");
            RawSocket::open(server);
        }
    }
    assert_eq!(
        server
            .log()
            .count("shutdown: stopping server and worker pool..."),
        0
    );
}

fn a_quit_is_left_to_the_operating_system(adapter: Adapter) {
    let mut command = with_default_signals(adapter, "exec \"$0\" \"$@\"");
    let mut server = ServerProcess::start_by(&mut command, "--shards 2");
    let no_dump = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    prlimit(Some(server.pid()), Resource::Core, no_dump).expect("it runs");
    server.signal(Signal::QUIT);
    let status = server.exit_within(SOON);
    assert_eq!(status.signal(), Some(Signal::QUIT.as_raw()));
}
