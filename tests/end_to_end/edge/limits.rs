//! Tests of limits for strangers: connections and sessions of an address, messages and bytes of a
//! connection. They hold for loopback here, where by default they do not.

use std::time::{Duration, Instant};

use stentor_tests::Adapter;

use super::listener;
use crate::raw::{RawSocket, frame, get, upgrade};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    an_address_has_so_many_connections,
    an_address_behind_a_proxy_has_its_own_limit,
    an_address_opens_so_many_sessions_a_second,
    on_loopback_there_are_no_limits_by_default,
    a_connection_that_sends_too_much_is_not_read_for_a_while,
    a_connection_that_sends_too_much_is_closed_if_that_is_wanted,
    the_memory_budget_is_a_share_of_the_memory,
}

const FULL: &str = "stentor_handshakes_refused_total{cause=\"address_full\"}";
const RATE: &str = "stentor_handshakes_refused_total{cause=\"address_rate\"}";

fn an_address_has_so_many_connections(adapter: Adapter) {
    let flags = "--handler rooms --limits.loopback --limits.connections-per-address 3 \
                 --server.shards 2 --admin-listen 127.0.0.1:0";
    let server = ServerProcess::start(adapter, flags);
    let line = server.log().wait_for("admin pages on");
    let admin = line.text("address").parse().expect("an address");
    let metric = |name: &str| crate::server::Metrics::scrape(admin).get(name);
    let mut open: Vec<_> = (0..3).map(|_| RawSocket::open(&server)).collect();
    for _ in 0..2 {
        let mut refused = RawSocket::connect(server.address());
        let response = refused.response();
        assert_eq!(response.status, 429);
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    assert_eq!(metric(FULL), 2);
    let mut last = open.pop().expect("three");
    last.send(&crate::raw::close(1000));
    assert_eq!(last.expect_close_answer(), Some(1000));
    drop(last);
    // Once the server has seen that its place is free.
    let begin = Instant::now();
    while RawSocket::try_open(server.address()).is_none() {
        assert!(begin.elapsed() < stentor_tests::process::SOON);
    }
    drop(open);
}

fn an_address_behind_a_proxy_has_its_own_limit(adapter: Adapter) {
    let flags = "--handler rooms --proxy.listen 127.0.0.1:0 --proxy.trusted 127.0.0.1 \
                 --limits.connections-per-address 2 --metrics.public";
    let server = ServerProcess::start(adapter, flags);
    let proxied = listener(&server, 1);
    let header = |host: u8| format!("PROXY TCP4 192.0.2.{host} 10.0.0.1 50412 80\r\n");
    let mut open = Vec::new();
    for host in [7, 7, 8, 8] {
        let mut raw = RawSocket::connect(proxied);
        raw.send(&[header(host).as_bytes(), &upgrade(&[])].concat());
        raw.expect_upgrade();
        open.push(raw);
    }
    let mut refused = RawSocket::connect(proxied);
    refused.send(header(7).as_bytes());
    assert_eq!(refused.response().status, 429);
    // The same clients behind a proxy that forwards requests; those of others as well.
    for (host, status) in [(7, 429), (8, 429), (9, 101), (9, 101), (9, 429)] {
        let mut raw = RawSocket::connect(server.address());
        raw.send(&upgrade(&[&format!("X-Forwarded-For: 192.0.2.{host}")]));
        match status {
            101 => {
                raw.expect_upgrade();
                open.push(raw);
            }
            _ => assert_eq!(raw.response().status, status, "{host}"),
        }
    }
    server.await_metric(FULL, 4);
    // The proxy itself has no limit.
    for _ in 0..4 {
        open.push(RawSocket::open(&server));
    }
}

fn an_address_opens_so_many_sessions_a_second(adapter: Adapter) {
    let flags = "--handler rooms --limits.loopback --limits.sessions-per-address 2 \
                 --server.shards 2";
    let server = ServerProcess::start(adapter, flags);
    let begin = Instant::now();
    let (mut opened, mut refused) = (0, 0);
    while refused < 5 {
        let mut raw = RawSocket::connect(server.address());
        raw.send(&upgrade(&[]));
        match &*raw.first_line() {
            "HTTP/1.1 101 Switching Protocols" => opened += 1,
            line => {
                assert!(line.starts_with("HTTP/1.1 429 "), "{line}");
                refused += 1;
            }
        }
    }
    // However slow this machine is, no more than the burst and what the time allows.
    let allowed = 2.0 + 2.0 * begin.elapsed().as_secs_f64();
    assert!((2..=allowed as u32 + 1).contains(&opened), "{opened}");
    // Pages are no sessions.
    for _ in 0..5 {
        let mut raw = RawSocket::connect(server.address());
        raw.send(&get("/healthz"));
        assert_eq!(raw.response().status, 200);
    }
    server.await_metric(RATE, 5);
}

fn on_loopback_there_are_no_limits_by_default(adapter: Adapter) {
    let flags =
        "--handler rooms --limits.connections-per-address 1 --limits.sessions-per-address 1";
    let server = ServerProcess::start(adapter, flags);
    let _open: Vec<_> = (0..5).map(|_| RawSocket::open(&server)).collect();
    assert_eq!(server.metrics().get(FULL), 0);
}

fn a_connection_that_sends_too_much_is_not_read_for_a_while(adapter: Adapter) {
    for limit in ["messages-per-second 20", "bytes-per-second 500"] {
        let flags = format!("--handler echo --limits.{limit} --limits.burst 500ms");
        let server = ServerProcess::start(adapter, &flags);
        let mut raw = RawSocket::open(&server);
        let begin = Instant::now();
        // Of 25 bytes each, with the header.
        let texts: Vec<String> = (0..30).map(|n| format!("message number {n:04}")).collect();
        let all: Vec<u8> = texts
            .iter()
            .flat_map(|text| frame(1, text.as_bytes()))
            .collect();
        raw.send(&all);
        raw.shut_write();
        // All of them are answered, in order; but the last not before its time.
        texts.iter().for_each(|text| raw.expect(text));
        assert!(begin.elapsed() > Duration::from_millis(700), "{limit}");
        assert!(server.metrics().get("stentor_throttled_total") > 0);
    }
}

fn a_connection_that_sends_too_much_is_closed_if_that_is_wanted(adapter: Adapter) {
    let flags = "--limits.excess close --limits.messages-per-second 5";
    let server = ServerProcess::start(adapter, flags);
    let subscribe = |n: u32| format!(r#"{{"id":{n},"subscribe":{{"channel":"c{n}"}}}}"#);
    let messages: Vec<u8> = (2..50)
        .flat_map(|n| frame(1, subscribe(n).as_bytes()))
        .collect();
    let mut raw = RawSocket::connect(server.address());
    raw.send(&upgrade(&[]));
    raw.expect_upgrade();
    raw.send_as_far_as_possible(&frame(1, b"join:a").repeat(100));
    let mut last = None;
    while let Some(heard) = raw.hear() {
        last = heard.close_code().filter(|_| heard.opcode == 8);
    }
    assert_eq!(last, Some(1008));
    let mut raw = RawSocket::connect(server.address());
    let request = String::from_utf8(upgrade(&[])).expect("text");
    raw.send(request.replace("/ws", "/connection/websocket").as_bytes());
    raw.expect_upgrade();
    raw.say(r#"{"id":1,"connect":{}}"#);
    let reply = raw.hear().expect("a reply");
    assert!(reply.text().contains("connect"), "{}", reply.text());
    raw.send_as_far_as_possible(&messages);
    let mut last = None;
    while let Some(heard) = raw.hear() {
        last = heard.close_code().filter(|_| heard.opcode == 8);
    }
    assert_eq!(last, Some(3013));
    let closed = "stentor_connections_closed_total{cause=\"message_rate\"}";
    assert_eq!(server.metrics().get(closed), 2);
}

fn the_memory_budget_is_a_share_of_the_memory(adapter: Adapter) {
    let name = "stentor_limit{name=\"memory.budget\"}";
    let server = ServerProcess::start(adapter, "--handler rooms");
    let budget = server.metrics().get(name);
    let meminfo = std::fs::read_to_string("/proc/meminfo").expect("Linux");
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let total = total.and_then(|rest| rest.split_whitespace().next());
    let total: u64 = total.and_then(|kib| kib.parse().ok()).expect("a number");
    assert!((1 << 20..=total << 9).contains(&budget), "{budget}");
    let server = ServerProcess::start(adapter, "--handler rooms --memory.budget 0");
    assert_eq!(server.metrics().get(name), 0);
}
