//! Tests of headers of the PROXY protocol in front of connections, and of forwarded requests.

use stentor_tests::Adapter;

use super::{listener, peers};
use crate::raw::{RawSocket, frame, get, upgrade};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    the_address_of_a_header_is_that_of_the_client,
    a_connection_without_a_valid_header_is_closed_and_counted,
    a_header_of_a_stranger_counts_for_nothing,
    a_header_does_not_arrive_for_ever,
    a_forwarded_request_is_that_of_the_client_if_the_proxy_is_trusted,
    without_a_key_only_trusted_proxies_may_forward,
}

const TRUSTING: &str = "--proxy.listen 127.0.0.1:0 --proxy.trusted 127.0.0.0/8 \
                        --admin-listen 127.0.0.1:0 --handler rooms";

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 50412 80\r\n";

/// A header of version 2, with a TLV.
fn v2(command: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x21, 0, 36 + 5]);
    header.extend([0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    header.extend([0; 16]);
    header.extend([0xC4, 0xEC, 0, 80]);
    header.extend(b"\x04\0\x02ab");
    header
}

fn the_address_of_a_header_is_that_of_the_client(adapter: Adapter) {
    let server = ServerProcess::start(adapter, TRUSTING);
    let proxied = listener(&server, 1);
    let mut open = Vec::new();
    for header in [V1, &v2(0x21)] {
        // All in one piece, with a message behind the request.
        let mut raw = RawSocket::connect(proxied);
        raw.send(&[header, &upgrade(&[]), &frame(1, b"join:a")].concat());
        raw.expect_upgrade();
        raw.expect("joined:a");
        open.push(raw);
        // A byte at a time.
        let mut raw = RawSocket::connect(proxied);
        for byte in header {
            raw.send(&[*byte]);
        }
        raw.send(&upgrade(&[]));
        raw.expect_upgrade();
        open.push(raw);
    }
    let mut expected = ["192.0.2.7:50412"; 2].to_vec();
    expected.extend(["[2001:db8::7]:50412"; 2]);
    assert_eq!(peers(&server), expected);
    // The proxy's own, or of an address that it does not know.
    for header in [&v2(0x20), &b"PROXY UNKNOWN\r\n"[..]] {
        let mut raw = RawSocket::connect(proxied);
        raw.send(header);
        raw.send(&get("/healthz"));
        assert_eq!(raw.response().status, 200);
    }
    server.await_metric("stentor_proxy_headers_total", 6);
    // The other listener is as before.
    let mut raw = RawSocket::connect(server.address());
    raw.send(V1);
    assert_eq!(raw.response().status, 400);
}

fn a_connection_without_a_valid_header_is_closed_and_counted(adapter: Adapter) {
    let server = ServerProcess::start(adapter, TRUSTING);
    let proxied = listener(&server, 1);
    for (bytes, cause) in [
        (get("/healthz"), "missing"),
        (b"PROXY TCP4 x\r\n".to_vec(), "malformed"),
        ([&b"PROXY UNKNOWN "[..], &[b'x'; 107]].concat(), "too_long"),
        (V1[..20].to_vec(), "truncated"),
    ] {
        let mut raw = RawSocket::connect(proxied);
        raw.send_as_far_as_possible(&bytes);
        if cause == "truncated" {
            raw.shut_write();
        }
        let series = format!("stentor_proxy_headers_refused_total{{cause=\"{cause}\"}}");
        server.await_metric(&series, 1);
    }
    let line = server.log().wait_for("no valid PROXY header");
    assert_eq!(line.text("error"), "missing");
}

fn a_header_of_a_stranger_counts_for_nothing(adapter: Adapter) {
    let flags = TRUSTING.replace("127.0.0.0/8", "127.9.9.9");
    let server = ServerProcess::start(adapter, &flags);
    let mut raw = RawSocket::connect(listener(&server, 1));
    raw.send_as_far_as_possible(V1);
    let series = "stentor_proxy_headers_refused_total{cause=\"untrusted\"}";
    server.await_metric(series, 1);
    assert_eq!(server.metrics().get("stentor_proxy_headers_total"), 0);
}

fn a_header_does_not_arrive_for_ever(adapter: Adapter) {
    let flags = format!("{TRUSTING} --client.handshake-timeout 100ms");
    let server = ServerProcess::start(adapter, &flags);
    let mut raw = RawSocket::connect(listener(&server, 1));
    raw.send(&V1[..10]);
    assert_eq!(raw.rest(), b"");
    let series = "stentor_proxy_headers_refused_total{cause=\"timeout\"}";
    server.await_metric(series, 1);
}

/// Upgrades with these fields, and returns the connection.
fn forwarded(server: &ServerProcess, fields: &[&str]) -> RawSocket {
    let mut raw = RawSocket::connect(server.address());
    raw.send(&upgrade(fields));
    raw.expect_upgrade();
    raw
}

fn a_forwarded_request_is_that_of_the_client_if_the_proxy_is_trusted(adapter: Adapter) {
    const FIELDS: &[&str] = &[
        "X-Forwarded-For: 203.0.113.9, 192.0.2.7, 10.0.0.1",
        "Forwarded: for=203.0.113.9, for=\"[2001:db8::7]:443\"",
    ];
    for (flags, peer) in [
        (
            "--proxy.trusted 127.0.0.1 --proxy.trusted 10.0.0.0/8",
            "192.0.2.7:0",
        ),
        (
            "--proxy.trusted 127.0.0.1 --proxy.field forwarded",
            "[2001:db8::7]:443",
        ),
    ] {
        let flags = format!("--handler rooms --admin-listen 127.0.0.1:0 {flags}");
        let server = ServerProcess::start(adapter, &flags);
        let _open = forwarded(&server, FIELDS);
        assert_eq!(peers(&server), [peer]);
    }
    for flags in [
        "--proxy.trusted 10.0.0.0/8",
        "--proxy.trusted 127.0.0.1 --proxy.field none",
    ] {
        let flags = format!("--handler rooms --admin-listen 127.0.0.1:0 {flags}");
        let server = ServerProcess::start(adapter, &flags);
        let _open = forwarded(&server, FIELDS);
        assert!(peers(&server)[0].starts_with("127.0.0.1:"));
    }
    let flags = "--handler rooms --proxy.trusted 127.0.0.1 --proxy.field forwarded";
    let server = ServerProcess::start(adapter, flags);
    let mut raw = RawSocket::connect(server.address());
    raw.send(&upgrade(&["Forwarded: for=\"203.0.113.9, for=192.0.2.7"]));
    assert_eq!(raw.response().status, 400);
    server.await_metric("stentor_handshakes_refused_total{cause=\"forwarded\"}", 1);
}

fn without_a_key_only_trusted_proxies_may_forward(adapter: Adapter) {
    let field = "X-Forwarded-For: 192.0.2.7";
    let server = ServerProcess::start(adapter, "");
    let mut raw = RawSocket::connect(server.address());
    raw.send(&upgrade(&[field]));
    assert_eq!(raw.response().status, 403);
    let server = ServerProcess::start(adapter, "--proxy.trusted 127.0.0.1");
    drop(forwarded(&server, &[field]));
}
