//! What operators ask of a running server: whether it takes traffic, and to read its settings again.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::Signal;
use stentor_tests::Adapter;
use stentor_tests::process::SOON;

use crate::raw::{RawSocket, get};
use crate::server::ServerProcess;
use crate::signals::with_default_signals;
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    a_server_that_is_about_to_end_says_so_before_it_refuses_anybody,
    a_hangup_has_the_settings_be_read_again,
    a_server_that_is_forced_does_not_wait_for_balancers,
}

fn status(address: SocketAddr, path: &str) -> (u16, String) {
    let mut page = RawSocket::connect(address);
    page.send(&get(path));
    let page = page.response();
    (page.status, page.body)
}

fn admin_of(server: &ServerProcess) -> SocketAddr {
    let line = server.log().wait_for("admin pages on");
    line.text("address").parse().expect("an address")
}

fn a_server_that_is_about_to_end_says_so_before_it_refuses_anybody(adapter: Adapter) {
    let flags = "--shards 2 --admin-listen 127.0.0.1:0 --server.shutdown-delay 1h";
    let mut server = ServerProcess::start(adapter, flags);
    let both = [server.address(), admin_of(&server)];
    for address in both {
        assert_eq!(status(address, "/readyz"), (200, "ready\n".into()));
        assert_eq!(status(address, "/healthz"), (200, "ok\n".into()));
    }
    let mut witnesses = Witnesses::of(&server);
    server.terminate();
    for address in both {
        crate::server::eventually("it says that it is about to end", || {
            status(address, "/readyz") == (503, "about to end\n".into())
        });
        assert_eq!(status(address, "/healthz").0, 200);
    }
    witnesses.talk("still here");
    RawSocket::open(&server);
    server.terminate();
    assert_eq!(server.exit_within(SOON).code(), Some(0));
}

fn a_server_that_is_forced_does_not_wait_for_balancers(adapter: Adapter) {
    let mut server = ServerProcess::start(adapter, "--server.shutdown-delay 1h");
    let mut client = RawSocket::open(&server);
    server.terminate();
    // Two signals at once would be one.
    server
        .log()
        .wait_for("shutdown: stopping server and worker pool...");
    server.terminate();
    assert_eq!(client.expect_close(), Some(1001));
    assert_eq!(server.exit_within(SOON).code(), Some(0));
}

/// Returns the status of a call of the server API with this key.
fn call(server: &ServerProcess, key: &str) -> u16 {
    let mut call = RawSocket::connect(server.address());
    let request = format!(
        "POST /api/info HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    call.send(request.as_bytes());
    call.response().status
}

fn a_hangup_has_the_settings_be_read_again(adapter: Adapter) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    let write = |path: &Path, text: &str| fs::write(path, text).expect("written");
    write(&path, "[http_api]\nkey = \"first\"\n");
    let flags = format!("--shards 2 --config {}", path.display());
    let mut command = with_default_signals(adapter, "exec \"$0\" \"$@\"");
    let mut server = ServerProcess::start_by(&mut command, &flags);
    let mut witnesses = Witnesses::of(&server);
    assert_eq!(
        (call(&server, "first"), call(&server, "second")),
        (200, 401)
    );

    write(
        &path,
        "[http_api]\nkey = \"second\"\n[log]\nlevel = \"debug\"\n[tasks]\nworkers = 3\n",
    );
    server.signal(Signal::HUP);
    server.log().wait_for("the settings are read again");
    let changed = |message: &str| -> Vec<String> {
        let lines = server.log().all(message);
        lines.map(|line| line.text("setting").to_owned()).collect()
    };
    assert_eq!(
        changed("a setting has changed"),
        ["http_api.key", "log.level"]
    );
    let later = "a setting has changed that counts from the next start";
    assert_eq!(changed(later), ["tasks.workers"]);
    assert_eq!(
        (call(&server, "first"), call(&server, "second")),
        (401, 200)
    );
    RawSocket::open(&server);
    server.log().wait_for("opened");

    // What is wrong changes nothing, not even what is right beside it.
    write(&path, "[http_api]\nkey = \"third\"\n[tasks]\nworkers = 0\n");
    server.signal(Signal::HUP);
    let line = server
        .log()
        .wait_for("the settings cannot be used; nothing changes");
    assert!(line.text("error").contains("tasks.workers"));
    assert_eq!(
        (call(&server, "second"), call(&server, "third")),
        (200, 401)
    );
    let metrics = server.metrics();
    for result in ["used", "refused"] {
        let name = format!("stentor_settings_reloads_total{{result=\"{result}\"}}");
        assert_eq!(metrics.get(&name), 1, "{result}");
    }
    witnesses.talk("still here");
    server.terminate();
    assert_eq!(server.exit_within(SOON).code(), Some(0));
}
