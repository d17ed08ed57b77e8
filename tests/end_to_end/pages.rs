//! Tests of the HTTP pages `/`, `/healthz` and `/metrics`, and of the responses to other requests.

use std::net::SocketAddr;

use stentor_tests::Adapter;

use crate::raw::{HttpResponse, RawSocket, get, upgrade};
use crate::server::{Metrics, ServerProcess};

stentor_tests::for_each_adapter! {
    the_index_is_a_page_of_html_that_needs_nothing_else,
    health_is_ok,
    metrics_parse_and_the_seven_names_have_no_labels,
    metrics_are_public_on_loopback_only_unless_they_are_to_be,
    many_scrapes_at_once_are_all_answered,
    options_is_answered_as_a_load_balancer_asks,
    what_is_not_there_is_not_found,
    the_endpoint_asks_for_an_upgrade,
    head_gets_the_head_of_what_get_would,
    a_connection_is_kept_from_page_to_page_and_then_upgraded,
    a_page_is_also_for_a_client_that_shuts_its_side_at_once,
}

fn ask(server: &ServerProcess, request: &str) -> HttpResponse {
    let mut raw = RawSocket::connect(server.address());
    raw.send(request.as_bytes());
    raw.response()
}

fn got(server: &ServerProcess, path: &str) -> HttpResponse {
    ask(server, &String::from_utf8(get(path)).expect("text"))
}

fn the_index_is_a_page_of_html_that_needs_nothing_else(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let page = got(&server, "/");
    assert_eq!(page.status, 200);
    let kind = page.header("content-type").expect("a type");
    assert!(kind.starts_with("text/html"), "{kind}");
    let length = page.header("content-length").expect("a length");
    assert_eq!(length, page.body.len().to_string());
    assert!(page.body.contains("/ws") && page.body.contains("</html>"));
    assert!(!page.body.contains("http://") && !page.body.contains("https://"));
}

fn health_is_ok(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let page = got(&server, "/healthz");
    assert_eq!((page.status, page.body.trim()), (200, "ok"));
}

fn metrics_parse_and_the_seven_names_have_no_labels(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2");
    let page = got(&server, "/metrics");
    assert_eq!(page.status, 200);
    let kind = page.header("content-type").expect("a type");
    assert!(
        kind.starts_with("text/plain") && kind.contains("version=0.0.4"),
        "{kind}"
    );
    // Those of the application are there, too.
    let clients = "stentor_clients{protocol=\"json\",transport=\"websocket\"} 0\n";
    assert!(page.body.contains(clients), "{}", page.body);
    let metrics = Metrics::parse(&page.body);
    for (name, kind) in [
        ("ws_active_connections", "gauge"),
        ("ws_messages_sent_total", "counter"),
        ("ws_messages_dropped_total", "counter"),
        ("ws_send_queue_length", "gauge"),
        ("ws_tasks_submitted_total", "counter"),
        ("ws_tasks_dropped_total", "counter"),
        ("ws_worker_queue_length", "gauge"),
    ] {
        assert_eq!(metrics.get(name), 0, "{name}");
        assert!(
            page.body.contains(&format!("# TYPE {name} {kind}\n")),
            "{name}"
        );
        assert!(page.body.contains(&format!("# HELP {name} ")), "{name}");
        assert!(!page.body.contains(&format!("{name}{{")), "{name}");
    }
    for name in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "stentor_rooms",
        "stentor_connections_opened_total",
        "stentor_messages_received_bytes_total",
        "stentor_publish_waits_total{for=\"credit\"}",
    ] {
        assert!(metrics.has(name), "{name}");
    }
    for family in [
        "stentor_messages_received_total",
        "stentor_connections_closed_total",
        "stentor_messages_dropped_total",
        "stentor_handshakes_refused_total",
        "stentor_peer_errors_total",
    ] {
        assert!(metrics.family(family).next().is_some(), "{family}");
    }
}

fn metrics_are_public_on_loopback_only_unless_they_are_to_be(adapter: Adapter) {
    let status = |address, method: &str| {
        let mut raw = RawSocket::connect(address);
        raw.send(
            format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        raw.response().status
    };
    let admin = "--admin-listen 127.0.0.1:0";
    for (listen, flags, public) in [
        ("127.0.0.1:0", "", 200),
        ("127.0.0.1:0", "--listen 0.0.0.0:0", 404),
        ("0.0.0.0:0", "", 404),
        ("0", "", 404),
        ("0.0.0.0:0", "--metrics.public", 200),
    ] {
        let server = ServerProcess::start_at(adapter, listen, &format!("{admin} {flags}"));
        let line = server.log().wait_for("admin pages on");
        let admin: SocketAddr = line.text("address").parse().expect("an address");
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(status(server.address(), method), public, "{listen} {flags}");
            assert_eq!(status(admin, method), 200, "{listen} {flags}");
        }
        let page = Metrics::scrape(admin);
        let not_found = "stentor_handshakes_refused_total{cause=\"not_found\"}";
        assert_eq!(page.get(not_found) > 0, public == 404);
        assert_eq!(got(&server, "/healthz").status, 200);
    }
}

fn many_scrapes_at_once_are_all_answered(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2 --admin-listen 127.0.0.1:0");
    let line = server.log().wait_for("admin pages on");
    let admin: SocketAddr = line.text("address").parse().expect("an address");
    let mut all: Vec<_> = (0..300)
        .map(|n| {
            let address = if n % 10 == 0 { admin } else { server.address() };
            let mut raw = RawSocket::connect(address);
            raw.send(&get("/metrics"));
            raw
        })
        .collect();
    for raw in &mut all {
        let response = raw.response();
        assert_eq!(response.status, 200);
        assert!(Metrics::parse(&response.body).has("ws_active_connections"));
    }
}

fn options_is_answered_as_a_load_balancer_asks(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    for target in ["*", "/", "/ws", "/metrics", "/healthz"] {
        for rest in [
            "HTTP/1.0\r\n\r\n",
            "HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n",
        ] {
            let page = ask(&server, &format!("OPTIONS {target} {rest}"));
            assert_eq!((page.status, page.body.as_str()), (200, ""), "{target}");
            assert_eq!(page.header("allow"), Some("GET, HEAD, OPTIONS"), "{target}");
            assert_eq!(page.header("content-length"), Some("0"), "{target}");
        }
    }
    assert_eq!(ask(&server, "OPTIONS /x HTTP/1.0\r\n\r\n").status, 404);
    for path in ["/", "/healthz", "/metrics"] {
        for method in ["GET", "HEAD"] {
            let page = ask(&server, &format!("{method} {path} HTTP/1.0\r\n\r\n"));
            assert_eq!(page.status, 200, "{method} {path}");
        }
    }
    let metrics = server.metrics();
    let refused = metrics.family("stentor_handshakes_refused_total");
    assert_eq!(refused.map(|(_, n)| n).sum::<u64>(), 1);
}

fn what_is_not_there_is_not_found(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    for path in ["/x", "/WS", "/ws/", "/metrics/", "/index.html", "/..", "//"] {
        assert_eq!(got(&server, path).status, 404, "{path}");
    }
    let metrics = server.metrics();
    assert_eq!(
        metrics.get("stentor_handshakes_refused_total{cause=\"not_found\"}"),
        7
    );
}

fn the_endpoint_asks_for_an_upgrade(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let page = got(&server, "/ws");
    assert_eq!(page.status, 426);
    assert_eq!(page.header("upgrade"), Some("websocket"));
    assert_eq!(page.header("sec-websocket-version"), Some("13"));
    let metrics = server.metrics();
    assert_eq!(
        metrics.get("stentor_handshakes_refused_total{cause=\"not_upgrade\"}"),
        1
    );
}

fn head_gets_the_head_of_what_get_would(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    for path in ["/", "/healthz", "/metrics", "/nowhere", "/ws"] {
        let whole = got(&server, path);
        let head = ask(
            &server,
            &format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        );
        assert_eq!(
            (head.status, head.body.as_str()),
            (whole.status, ""),
            "{path}"
        );
        assert_eq!(head.header("content-type"), whole.header("content-type"));
        assert!(head.header("content-length").is_some(), "{path}");
    }
}

fn a_page_is_also_for_a_client_that_shuts_its_side_at_once(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    for path in ["/", "/healthz", "/metrics"] {
        let mut raw = RawSocket::connect(server.address());
        raw.send(&get(path));
        raw.shut_write();
        assert_eq!(raw.response().status, 200, "{path}");
    }
}

/// Pages that the shard and pages that another thread makes, one by one and several in one piece.
fn a_connection_is_kept_from_page_to_page_and_then_upgraded(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let mut raw = RawSocket::connect(server.address());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let take = |raw: &mut RawSocket, what: &str| {
        let head = raw.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.and_then(|n| n.parse().ok()).expect("a length");
        let body = String::from_utf8(raw.bytes(length)).expect("text");
        assert!(body.contains(what), "{body}");
    };
    for _ in 0..3 {
        raw.send(get("/healthz").as_bytes());
        take(&mut raw, "ok");
        raw.send(get("/metrics").as_bytes());
        take(&mut raw, "ws_active_connections");
    }
    let all = [get("/metrics"), get("/healthz"), get("/")].concat();
    raw.send(all.as_bytes());
    take(&mut raw, "ws_active_connections");
    take(&mut raw, "ok");
    take(&mut raw, "</html>");
    raw.send(&upgrade(&[]));
    raw.expect_upgrade();
    raw.say("hello");
    raw.expect("echo:hello");
}
