//! Tests of unix sockets, of sockets that the service manager has opened, and of what it is told.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use stentor_tests::Adapter;
use stentor_tests::log::Log;
use stentor_tests::process::{Process, SOON};
use tempfile::TempDir;

use super::peers;
use crate::raw::{RawSocket, get, upgrade};
use crate::server::{ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    a_unix_socket_is_served_like_any_other,
    a_proxy_on_a_unix_socket_is_trusted_if_that_is_said,
    a_file_that_was_left_is_replaced_and_a_live_socket_is_an_error,
    the_sockets_of_the_service_manager_are_served,
    the_service_manager_is_told_of_readiness_and_of_the_end,
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    (folder, path)
}

fn connect(path: &PathBuf) -> RawSocket {
    let mut stream = UnixStream::connect(path);
    eventually("it listens", || {
        stream = UnixStream::connect(path);
        stream.is_ok()
    });
    RawSocket::over_any(OwnedFd::from(stream.expect("it listens")))
}

fn a_unix_socket_is_served_like_any_other(adapter: Adapter) {
    let (_folder, path) = folder();
    let flags = format!(
        "--handler rooms --listen unix:{} --server.socket-mode 600 --admin-listen 127.0.0.1:0",
        path.display()
    );
    let mut server = ServerProcess::start(adapter, &flags);
    let mut raw = connect(&path);
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    raw.send(&upgrade(&[]));
    raw.expect_upgrade();
    raw.say("join:a");
    raw.expect("joined:a");
    // As much as does not fit into the socket at once.
    let long = "x".repeat(700 << 10);
    raw.say(&format!("msg:{long}"));
    let echoed = raw.hear().expect("not the end");
    assert!(echoed.text().ends_with(&long));
    assert_eq!(peers(&server), ["none"]);
    let mut page = connect(&path);
    page.send(&get("/healthz"));
    assert_eq!(page.response().status, 200);
    server.terminate();
    assert_eq!(raw.expect_close(), Some(1001));
    assert!(server.exit_within(SOON).success());
    assert!(!path.exists(), "it goes with the server");
}

fn a_proxy_on_a_unix_socket_is_trusted_if_that_is_said(adapter: Adapter) {
    for (flags, peer) in [("", "none"), ("--proxy.trusted unix", "192.0.2.7:0")] {
        let (_folder, path) = folder();
        let flags = format!(
            "--handler rooms --listen unix:{} --admin-listen 127.0.0.1:0 {flags}",
            path.display()
        );
        let server = ServerProcess::start(adapter, &flags);
        let mut raw = connect(&path);
        raw.send(&upgrade(&["X-Forwarded-For: 192.0.2.7"]));
        raw.expect_upgrade();
        // The connection that found out whether it has started may still be there.
        eventually("one connection", || peers(&server).len() == 1);
        assert_eq!(peers(&server), [peer]);
    }
}

fn a_file_that_was_left_is_replaced_and_a_live_socket_is_an_error(adapter: Adapter) {
    let (_folder, path) = folder();
    let flags = format!("--handler rooms --listen unix:{}", path.display());
    let mut killed = ServerProcess::start(adapter, &flags);
    drop(connect(&path));
    killed.child.kill().expect("it runs");
    killed.child.wait().expect("it has ended");
    assert!(path.exists(), "it was left");
    let _server = ServerProcess::start(adapter, &flags);
    let mut page = connect(&path);
    page.send(&get("/healthz"));
    assert_eq!(page.response().status, 200);
    let mut second = adapter.command();
    let listen = format!("unix:{}", path.display());
    let output = second.args(["--listen", &listen]).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&listen), "{text}");
    let mut page = connect(&path);
    page.send(&get("/healthz"));
    assert_eq!(page.response().status, 200, "the first goes on");
}

/// Starts a server with this socket as that of the service manager, under the name `web`.
fn activated(adapter: Adapter, socket: OwnedFd, listen: &str) -> Process {
    let mut command = Command::new("sh");
    // The socket is passed as standard input, which may be any descriptor.
    let script = "exec env LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web \"$@\" 3<&0 </dev/null";
    let child = command
        .args(["-c", script, "sh"])
        .arg(adapter.command().get_program())
        .args(["--log-format", "json", "--handler", "rooms"])
        .args(["--listen", listen, "--metrics.public"])
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("a shell");
    let log = Log::read(child.stderr.take().expect("piped"));
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    let process = Process {
        child,
        log,
        address,
    };
    process.log.wait_for("listening on");
    process
}

fn the_sockets_of_the_service_manager_are_served(adapter: Adapter) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    // It waits before the server runs.
    let mut early = RawSocket::connect(address);
    early.send(&get("/healthz"));
    for listen in ["systemd", "systemd:web"] {
        let socket = listener.try_clone().expect("a descriptor");
        let server = activated(adapter, socket.into(), listen);
        let line = server.log.wait_for("listening on");
        assert_eq!(line.text("address"), address.to_string());
        if listen == "systemd" {
            assert_eq!(early.response().status, 200);
        }
        let mut raw = RawSocket::connect(address);
        raw.send(&upgrade(&[]));
        raw.expect_upgrade();
    }
    let (_folder, path) = folder();
    let listener = UnixListener::bind(&path).expect("a free path");
    let mut server = activated(adapter, listener.into(), "systemd");
    let mut page = connect(&path);
    page.send(&get("/healthz"));
    assert_eq!(page.response().status, 200);
    server.terminate();
    assert!(server.exit_within(SOON).success());
    assert!(path.exists(), "it is the service manager's");
    let mut without = adapter.command();
    let output = without.args(["--listen", "systemd:web"]).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no such socket"), "{text}");
}

fn the_service_manager_is_told_of_readiness_and_of_the_end(adapter: Adapter) {
    let (_folder, path) = folder();
    let manager = UnixDatagram::bind(&path).expect("a free path");
    manager.set_read_timeout(Some(SOON)).expect("an option");
    let hear = || {
        let mut buffer = [0; 256];
        let n = manager.recv(&mut buffer).expect("told in time");
        String::from_utf8_lossy(&buffer[..n]).trim().to_owned()
    };
    let mut command = adapter.command();
    command.env("NOTIFY_SOCKET", &path);
    let mut server = ServerProcess::start_by(&mut command, "--handler rooms");
    assert_eq!(hear(), "READY=1");
    let mut raw = RawSocket::connect(server.address());
    raw.send(&get("/healthz"));
    assert_eq!(raw.response().status, 200);
    server.terminate();
    assert_eq!(hear(), "STOPPING=1");
    assert!(server.exit_within(SOON).success());
    // With a watchdog it says that it is alive, as long as its shards answer.
    let mut command = adapter.command();
    command.env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", "200000");
    let _server = ServerProcess::start_by(&mut command, "--handler rooms");
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), "WATCHDOG=1");
    assert_eq!(hear(), "WATCHDOG=1");
}
