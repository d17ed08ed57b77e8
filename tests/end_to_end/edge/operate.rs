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
    the_log_level_changes_for_a_time,
    ends_of_connections_are_logged_as_often_as_is_set,
    an_operator_can_have_the_settings_be_read_again,
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
        "POST /api/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: {key}\r\n\
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

/// Sends a request with content to the admin listener, and returns status and body.
fn send(address: SocketAddr, request: &str, content: &str) -> (u16, String) {
    let mut page = RawSocket::connect(address);
    let length = content.len();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    page.send((head + content).as_bytes());
    let page = page.response();
    (page.status, page.body)
}

fn the_log_level_changes_for_a_time(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--admin-listen 127.0.0.1:0");
    let admin = admin_of(&server);
    let level = |request: &str, content: &str| {
        let (status, body) = send(admin, request, content);
        assert_eq!(status, 200, "{body}");
        let page: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(page["configured"], "info");
        (
            page["level"].as_str().expect("a level").to_owned(),
            page["seconds_left"].as_f64(),
        )
    };
    let opened = || server.log().all("opened").count();
    assert_eq!(level("GET /log-level", ""), ("info".into(), None));
    for (request, content) in [
        ("PUT /log-level", "loud"),
        ("PUT /log-level?for=0s", "debug"),
        ("PUT /log-level?for=25h", "debug"),
        ("PUT /log-level?until=5s", "debug"),
        ("PUT /log-level?level=debug,=trace", ""),
    ] {
        assert_eq!(send(admin, request, content).0, 400, "{request}");
    }
    RawSocket::open(&server);
    assert_eq!(level("GET /log-level", ""), ("info".into(), None));
    assert_eq!(opened(), 0);

    // In the content, for ten minutes unless something else is said.
    let (now, rest) = level("PUT /log-level", "debug\n");
    assert_eq!(now, "debug");
    assert!(rest.is_some_and(|rest| (500.0..=600.0).contains(&rest)));
    let _client = RawSocket::open(&server);
    server.log().wait_for("opened");
    // In the query, by target.
    let (now, rest) = level("PUT /log-level?for=1h&level=warn,stentor_core=debug", "");
    assert_eq!(now, "warn,stentor_core=debug");
    assert!(rest.is_some_and(|rest| rest > 3_000.0));
    assert_eq!(level("DELETE /log-level", ""), ("info".into(), None));
    server
        .log()
        .wait_for("the log level is the configured one again");
    let before = opened();
    RawSocket::open(&server);
    assert_eq!(opened(), before);

    // It ends by itself.
    level("PUT /log-level?for=1s", "");
    crate::server::eventually("the level is the configured one", || {
        level("GET /log-level", "") == ("info".into(), None)
    });
    let changes = server.log().all("the log level has changed for a time");
    assert_eq!(changes.count(), 3);
}

fn an_operator_can_have_the_settings_be_read_again(adapter: Adapter) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    let write = |text: &str| fs::write(&path, text).expect("written");
    write("[http_api]\nkey = \"first\"\n");
    let flags = format!("--admin-listen 127.0.0.1:0 --config {}", path.display());
    let server = ServerProcess::start(adapter, &flags);
    let admin = admin_of(&server);
    write("[http_api]\nkey = \"second\"\n[tasks]\nworkers = 3\n");
    let (status, body) = send(admin, "POST /reload", "");
    assert_eq!(status, 200, "{body}");
    let page: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(page["changed"], serde_json::json!(["http_api.key"]));
    assert_eq!(
        page["from_next_start"],
        serde_json::json!(["tasks.workers"])
    );
    let (status, body) = send(admin, "POST /reload", "");
    assert!(status == 200 && body.contains("\"changed\": []"), "{body}");
    write("[http_api]\nkey = \"third\"\n[tasks]\nworkers = 0\n");
    let (status, body) = send(admin, "POST /reload", "");
    assert!(status == 400 && body.contains("tasks.workers"), "{body}");
    assert!(!body.contains("third"), "{body}");
    for (method, status) in [("GET", 405), ("PUT", 405)] {
        assert_eq!(send(admin, &format!("{method} /reload"), "").0, status);
    }
}

fn ends_of_connections_are_logged_as_often_as_is_set(adapter: Adapter) {
    let flags = "--admin-listen 127.0.0.1:0 --shards 1 --log.access-sample 3 \
                 --admin.closed-history 0";
    let server = ServerProcess::start(adapter, flags);
    let admin = admin_of(&server);
    let connect = |name: &str| {
        let mut raw = RawSocket::connect(server.address());
        let upgrade = String::from_utf8(crate::raw::upgrade(&[])).expect("text");
        raw.send(upgrade.replace("/ws", "/connection/websocket").as_bytes());
        raw.expect_upgrade();
        raw.say(&format!(
            r#"{{"id":1,"connect":{{"name":"{name}","version":"1.2"}}}}"#
        ));
        let reply = raw.hear().expect("a reply");
        let reply: serde_json::Value = serde_json::from_str(reply.text()).expect("JSON");
        let client = reply["connect"]["client"].as_str().expect("an id");
        (client.to_owned(), raw)
    };
    let mut ids = Vec::new();
    for n in 0..6 {
        let (client, mut raw) = connect(&format!("client {n}"));
        if n == 0 {
            let (_, list) = status(admin, "/connections");
            let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
            let id = list["connections"][0]["id"].as_str().expect("an id");
            let path = format!("/connections/{}", id.replace('#', "%23"));
            let (code, page) = status(admin, &path);
            assert_eq!(code, 200, "{page}");
            let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
            let expected = serde_json::json!({
                "client": client, "transport": "websocket", "protocol": "json",
                "name": "client 0 1.2", "phase": "established",
            });
            assert_eq!(page["application"], expected);
        }
        raw.send(&crate::raw::close(1000));
        assert_eq!(raw.expect_close_answer(), Some(1000));
        ids.push(client);
    }
    crate::server::eventually("two are logged", || {
        server.log().all("a connection has ended").count() == 2
    });
    let lines: Vec<_> = server.log().all("a connection has ended").collect();
    for (line, n) in lines.iter().zip([2, 5]) {
        assert_eq!(line.text("client"), ids[n]);
        assert_eq!(line.text("name"), format!("client {n} 1.2"));
        assert!(line.text("address").starts_with("127.0.0.1:"));
        assert_eq!(line.text("cause"), "peer");
    }
}
