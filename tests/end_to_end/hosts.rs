//! Tests that a web page whose name resolves to this machine gets no access, and that clients that
//! use a valid host name do.

use std::net::SocketAddr;

use stentor_tests::Adapter;

use crate::origins::status;
use crate::raw::{RawSocket, get};
use crate::server::{ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    on_loopback_a_foreign_name_gets_nothing,
    a_flood_of_foreign_names_writes_a_bounded_log,
    hosts_that_are_allowed_get_in_and_no_others,
    where_others_can_reach_the_server_any_host_will_do_and_a_star_lets_any_in,
    the_admin_pages_have_the_rule_by_their_own_address,
}

/// The status of a page, asked for by this host.
fn page(address: SocketAddr, path: &str, host: &str) -> u16 {
    let mut raw = RawSocket::connect(address);
    let request = String::from_utf8(get(path)).expect("text");
    let host = format!("Host: {host}");
    raw.send(request.replace("Host: localhost", &host).as_bytes());
    raw.response().status
}

const PAGES: [&str; 4] = ["/", "/ws", "/metrics", "/healthz"];

fn on_loopback_a_foreign_name_gets_nothing(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let evil = Some("http://evil.example:8080");
    assert_eq!(status(&server, "evil.example:8080", evil), 421);
    assert_eq!(status(&server, "evil.example:8080", None), 421);
    for path in PAGES {
        for host in ["evil.example", "localhost.evil.example", "stentor"] {
            assert_eq!(page(server.address(), path, host), 421, "{path} at {host}");
        }
        for host in [
            "localhost",
            "chat.localhost:8080",
            "127.0.0.1",
            "[::1]:8080",
            "10.1.2.3",
        ] {
            assert_ne!(page(server.address(), path, host), 421, "{path} at {host}");
        }
    }
    let mut old = RawSocket::connect(server.address());
    old.send(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(old.response().status, 200, "no browser leaves the host out");
    let counter = "stentor_handshakes_refused_total{cause=\"host_not_allowed\"}";
    assert_eq!(server.metrics().get(counter), 2 + 3 * PAGES.len() as u64);
    let line = server.log().wait_for("upgrade error");
    assert_eq!(line.text("error"), "host_not_allowed");
    assert!(line.value("status").starts_with("421"), "{line:?}");
}

fn a_flood_of_foreign_names_writes_a_bounded_log(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    for _ in 0..600 {
        assert_eq!(page(server.address(), "/", "evil.example"), 421);
    }
    let counter = "stentor_handshakes_refused_total{cause=\"host_not_allowed\"}";
    server.await_metric(counter, 600);
    eventually("the burst is written", || {
        server.log().count("upgrade error") >= 200
    });
    let shards = server.metrics().family("stentor_shard_silent").count();
    // A burst of each shard, and a few a second after that.
    assert!(server.log().count("upgrade error") < 600.min(200 * shards + 300));
}

fn hosts_that_are_allowed_get_in_and_no_others(adapter: Adapter) {
    let flags = "--client.allowed-hosts chat.example --client.allowed-hosts *.apps.example:8443 --allow-origin https://app.example";
    let flags = format!("--handler rooms {flags}");
    let inside = ServerProcess::start(adapter, &flags);
    let outside =
        ServerProcess::start_at(adapter, "0.0.0.0:0", &format!("--metrics.public {flags}"));
    for server in [&inside, &outside] {
        for (host, expected) in [
            ("chat.example", 200),
            ("CHAT.example:8080", 200),
            ("a.apps.example:8443", 200),
            ("a.apps.example", 421),
            ("a.apps.example:8080", 421),
            ("apps.example:8443", 421),
            ("app.example", 200), // of an origin that is allowed
            ("evil.example", 421),
            ("localhost", 200),
            ("192.0.2.1:80", 200),
        ] {
            assert_eq!(page(server.address(), "/", host), expected, "{host}");
        }
        let same = Some("https://chat.example");
        assert_eq!(status(server, "chat.example", same), 101);
    }
}

fn where_others_can_reach_the_server_any_host_will_do_and_a_star_lets_any_in(adapter: Adapter) {
    for server in [
        ServerProcess::start_at(adapter, "0.0.0.0:0", ""),
        ServerProcess::start(adapter, "--client.allowed-hosts *"),
    ] {
        for host in ["chat.example", "evil.example:1", "localhost"] {
            assert_eq!(page(server.address(), "/healthz", host), 200, "{host}");
        }
    }
}

fn the_admin_pages_have_the_rule_by_their_own_address(adapter: Adapter) {
    let server = ServerProcess::start_at(adapter, "0.0.0.0:0", "--admin-listen localhost:0");
    let line = server.log().wait_for("admin pages on");
    let admin = line.text("address").parse().expect("an address");
    for path in ["/connections", "/gone", "/dead-letters", "/metrics", "/"] {
        assert_eq!(page(admin, path, "evil.example:9090"), 421, "{path}");
        assert_ne!(page(admin, path, "127.0.0.1:9090"), 421, "{path}");
    }
    assert_eq!(page(server.address(), "/healthz", "evil.example"), 200);
    let mut raw = RawSocket::connect(admin);
    raw.send(b"POST /dead-letters/resubmit HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(raw.response().status, 421);
    let line = server.log().wait_for("admin request refused");
    assert_eq!(line.text("error"), "host_not_allowed");
    let metrics = crate::server::Metrics::scrape(admin);
    assert_eq!(
        metrics.get("stentor_admin_requests_total{status=\"421\"}"),
        6
    );
}
