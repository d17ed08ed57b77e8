//! Tests that a bad request gets the right status, is counted and does not affect other
//! connections, and that an unusual but valid request is served.

use std::time::Duration;

use stentor_tests::Adapter;

use crate::raw::{RawSocket, TEXT, UPGRADE, frame, upgrade};
use crate::server::{Metrics, ServerProcess, eventually};
use crate::witnesses::Witnesses;

stentor_tests::for_each_adapter! {
    each_bad_request_gets_its_status_and_its_counter_and_harms_nobody,
    what_is_unusual_and_legal_is_served,
    a_key_with_bits_to_spare_is_hashed_as_it_was_sent,
    a_request_in_single_bytes_and_one_with_frames_behind_it_are_served,
    one_byte_at_a_time_for_ever_ends_with_the_handshake_timeout,
    silence_and_half_a_request_end_with_the_handshake_timeout,
    a_request_that_is_cut_off_is_told_so,
}

/// The sample request with one part replaced.
fn with(part: &str, by: &str) -> Vec<u8> {
    assert!(UPGRADE.contains(part));
    format!("{}\r\n", UPGRADE.replace(part, by)).into_bytes()
}

fn many_headers(count: usize) -> Vec<u8> {
    let lines: String = (0..count).map(|n| format!("X{n}: y\r\n")).collect();
    format!("{UPGRADE}{lines}\r\n").into_bytes()
}

fn garbage() -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..4_096).map(next).collect()
}

fn each_bad_request_gets_its_status_and_its_counter_and_harms_nobody(adapter: Adapter) {
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    let key_twice = KEY.repeat(2);
    let long = format!("Host: localhost\r\nX: {}\r\n", "y".repeat(16 << 10));
    let endless_target = format!("GET /{}", "a".repeat(16 << 10));
    let table: &[(&str, Vec<u8>, u16, &str)] = &[
        ("POST", with("GET", "POST"), 405, "method"),
        (
            "a method in small letters",
            with("GET", "get"),
            405,
            "method",
        ),
        ("PUT with a body", with("GET", "PUT"), 405, "method"),
        ("version 12", with(": 13", ": 12"), 426, "version"),
        ("version 8", with(": 13", ": 8"), 426, "version"),
        ("no version", with(VERSION, ""), 426, "version"),
        ("two versions", with(": 13", ": 13, 8"), 426, "version"),
        ("no key", with(KEY, ""), 400, "key"),
        (
            "a short key",
            with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="),
            400,
            "key",
        ),
        ("a key that is not base64", with("dGhl", "d*hl"), 400, "key"),
        ("the key twice", with(KEY, &key_twice), 400, "key"),
        (
            "a subprotocol that is no token",
            upgrade(&["Sec-WebSocket-Protocol: a b"]),
            400,
            "subprotocol",
        ),
        (
            "HTTP/1.0",
            with("HTTP/1.1", "HTTP/1.0"),
            505,
            "http_version",
        ),
        (
            "HTTP/2.0",
            with("HTTP/1.1", "HTTP/2.0"),
            505,
            "http_version",
        ),
        (
            "HTTP/2 itself",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            505,
            "http_version",
        ),
        ("no host", with("Host: localhost\r\n", ""), 400, "host"),
        (
            "two hosts",
            with("Host: localhost\r\n", "Host: a\r\nHost: a\r\n"),
            400,
            "host",
        ),
        (
            "a bad host",
            with("Host: localhost", "Host: a b"),
            400,
            "host",
        ),
        (
            "bare line feeds",
            UPGRADE.replace("\r\n", "\n").into_bytes(),
            400,
            "malformed",
        ),
        (
            "one bare line feed",
            with("localhost\r\n", "localhost\n"),
            400,
            "malformed",
        ),
        (
            "a folded header",
            with("Connection: Upgrade", "Connection:\r\n Upgrade"),
            400,
            "malformed",
        ),
        (
            "a space before the colon",
            with("Host:", "Host :"),
            400,
            "malformed",
        ),
        ("a NUL", with("localhost", "local\0host"), 400, "malformed"),
        (
            "1,000 headers",
            many_headers(1_000),
            431,
            "too_many_headers",
        ),
        (
            "16 KiB of head",
            with("Host: localhost\r\n", &long),
            431,
            "head_too_long",
        ),
        (
            "16 KiB of target",
            with("GET /ws", &endless_target),
            414,
            "target_too_long",
        ),
        ("a body", upgrade(&["Content-Length: 5"]), 400, "body"),
        (
            "a chunked body",
            upgrade(&["Transfer-Encoding: chunked"]),
            400,
            "body",
        ),
        (
            "no upgrade",
            with("Upgrade: websocket\r\n", ""),
            426,
            "not_upgrade",
        ),
        (
            "another upgrade",
            with("Upgrade: websocket", "Upgrade: h2c"),
            426,
            "not_upgrade",
        ),
        (
            "no connection option",
            with("Connection: Upgrade\r\n", ""),
            426,
            "not_upgrade",
        ),
        ("another path", with("/ws", "/other"), 404, "not_found"),
        ("binary garbage", garbage(), 400, "malformed"),
        (
            "a TLS hello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03".to_vec(),
            400,
            "malformed",
        ),
        ("a frame at once", frame(TEXT, b"join:A"), 400, "malformed"),
    ];
    let server = ServerProcess::start(adapter, "--shards 2");
    let mut witnesses = Witnesses::of(&server);
    for (what, request, status, cause) in table {
        let counter = format!("stentor_handshakes_refused_total{{cause=\"{cause}\"}}");
        let before = server.metrics();
        let mut raw = RawSocket::connect(server.address());
        raw.send_as_far_as_possible(request);
        let response = raw.response();
        assert_eq!(response.status, *status, "{what}");
        assert!(
            response
                .header("connection")
                .is_some_and(|c| c.contains("close")),
            "{what}"
        );
        let after = server.metrics();
        assert_eq!(after.since(&before, &counter), 1, "{what}");
        let all = |metrics: &Metrics| -> u64 {
            metrics
                .family("stentor_handshakes_refused_total")
                .map(|(_, n)| n)
                .sum()
        };
        assert_eq!(all(&after) - all(&before), 1, "{what}: counted once");
        assert_eq!(after.get("ws_active_connections"), 2, "{what}");
        witnesses.talk(what);
    }
    eventually("each is logged", || {
        server.log().count("upgrade error") == table.len()
    });
    server.await_metrics("only witnesses and the scrape", |metrics| {
        metrics.get("stentor_sockets") == 3
    });
}

fn what_is_unusual_and_legal_is_served(adapter: Adapter) {
    const VERSION_AND_KEY: &str =
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let server = ServerProcess::start(adapter, "--shards 2");
    let target = format!("GET http://{}/ws", server.address());
    for (what, request) in [
        ("a query", with("/ws", "/ws?room=a&b=c")),
        ("an absolute target", with("GET /ws", &target)),
        ("values in capitals", with("websocket", "WEBSOCKET")),
        ("names in capitals", with("Upgrade: w", "UPGRADE: w")),
        (
            "names in small letters",
            UPGRADE
                .replace("Sec-WebSocket", "sec-websocket")
                .into_bytes(),
        ),
        (
            "a list of options",
            with("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ),
        (
            "options without spaces",
            with("Connection: Upgrade", "Connection:keep-alive,upgrade,x"),
        ),
        (
            "options on several lines",
            with(
                "Connection: Upgrade",
                "Connection: keep-alive\r\nConnection: Upgrade",
            ),
        ),
        (
            "several upgrades",
            with("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ),
        (
            "upgrades on two lines",
            with("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"),
        ),
        ("no space behind the colon", with("Host: ", "Host:")),
        ("spaces and tabs", with(": websocket", ":  \t websocket \t")),
        ("a length of nothing", upgrade(&["Content-Length: 0"])),
        (
            "a list of subprotocols without one",
            upgrade(&["Sec-WebSocket-Protocol:"]),
        ),
        (
            "options with gaps",
            with("Connection: Upgrade", "Connection: ,Keep-Alive, ,UPGRADE,"),
        ),
        (
            "an absolute target",
            with("GET /ws", "GET ws://localhost:8080/ws"),
        ),
        (
            "a subprotocol and an extension",
            upgrade(&[
                "Sec-WebSocket-Protocol: chat",
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            ]),
        ),
        (
            "empty lines in front",
            [b"\r\n\r\n", &upgrade(&[])[..]].concat(),
        ),
        ("another order", {
            let rest = UPGRADE.replace(VERSION_AND_KEY, "");
            let (first, rest) = rest.split_once("\r\n").expect("lines");
            format!("{first}\r\n{VERSION_AND_KEY}{rest}\r\n").into_bytes()
        }),
        ("as many headers as may be", many_headers(64 - 5)),
    ] {
        let mut raw = RawSocket::connect(server.address());
        raw.send(&if request.ends_with(b"\r\n\r\n") {
            request
        } else {
            [&request[..], b"\r\n"].concat()
        });
        eprintln!("{what}");
        raw.expect_upgrade();
        raw.say("hello");
        raw.expect("echo:hello");
    }
    let metrics = server.metrics();
    assert_eq!(
        metrics
            .family("stentor_handshakes_refused_total")
            .map(|(_, n)| n)
            .sum::<u64>(),
        0
    );
}

fn a_key_with_bits_to_spare_is_hashed_as_it_was_sent(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let mut raw = RawSocket::connect(server.address());
    // RFC 6455 §4.1 has this one.
    let key = "AQIDBAUGBwgJCgsMDQ4PEC==";
    let request = upgrade(&[]);
    let request = String::from_utf8(request).expect("text");
    raw.send(request.replace("dGhlIHNhbXBsZSBub25jZQ==", key).as_bytes());
    let head = raw.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let accept = "\r\nSec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n";
    assert!(head.contains(accept), "{head}");
}

fn a_request_in_single_bytes_and_one_with_frames_behind_it_are_served(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 2");
    let mut raw = RawSocket::connect(server.address());
    for byte in upgrade(&["X-Padding: some more bytes"]) {
        raw.send(&[byte]);
    }
    raw.expect_upgrade();
    raw.say("hello");
    raw.expect("echo:hello");

    let mut raw = RawSocket::connect(server.address());
    let frames = [frame(TEXT, b"one"), frame(TEXT, b"two")].concat();
    raw.send(&[upgrade(&[]), frames].concat());
    raw.expect_upgrade();
    raw.expect("echo:one");
    raw.expect("echo:two");
}

fn one_byte_at_a_time_for_ever_ends_with_the_handshake_timeout(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 1 --client.handshake-timeout 600ms");
    let mut witnesses = Witnesses::of(&server);
    let raw = RawSocket::connect(server.address());
    let stream = raw.stream().try_clone().expect("a second handle");
    let begin = std::time::Instant::now();
    let dripping = std::thread::spawn(move || {
        use std::io::Write;
        for byte in b"GET /".iter().chain([b'a'; 1_000].iter()) {
            if (&stream).write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it was let go on for ever");
    });
    let mut status = [0; 12];
    std::io::Read::read_exact(&mut raw.stream(), &mut status).expect("an answer");
    let took = begin.elapsed();
    assert_eq!(&status, b"HTTP/1.1 408");
    assert!(
        took >= Duration::from_millis(600) && took < Duration::from_millis(1_200),
        "{took:?}"
    );
    dripping.join().expect("cut off");
    let metrics = server.metrics();
    assert_eq!(
        metrics.get("stentor_handshakes_refused_total{cause=\"timeout\"}"),
        1
    );
    witnesses.talk("after");
}

fn silence_and_half_a_request_end_with_the_handshake_timeout(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--shards 1 --client.handshake-timeout 300ms");
    let mut silent = RawSocket::connect(server.address());
    let mut half = RawSocket::connect(server.address());
    half.send(b"GET /ws HTTP/1.1\r\nHost: ");
    assert_eq!(half.response().status, 408);
    assert_eq!(silent.rest(), b"", "whoever said nothing is told nothing");
    let metrics = server.metrics();
    assert_eq!(
        metrics.get("stentor_handshakes_refused_total{cause=\"timeout\"}"),
        2
    );
}

fn a_request_that_is_cut_off_is_told_so(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    let mut raw = RawSocket::connect(server.address());
    raw.send(b"GET /ws HTTP/1.1\r\n");
    raw.shut_write();
    assert_eq!(raw.response().status, 400);
    let mut raw = RawSocket::connect(server.address());
    raw.send(b"GET /ws HTTP/1.1\r\n");
    server.await_metrics("received", |metrics| metrics.get("stentor_sockets") == 2);
    raw.reset();
    server.await_metric("stentor_handshakes_refused_total{cause=\"truncated\"}", 2);
}
