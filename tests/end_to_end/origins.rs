//! Tests that pages of other origins can connect only where that is allowed.

use stentor_tests::Adapter;

use crate::raw::{RawSocket, UPGRADE};
use crate::server::ServerProcess;

stentor_tests::for_each_adapter! {
    pages_from_files_pass_where_they_are_allowed,
    on_loopback_every_loopback_origin_passes_and_no_other,
    elsewhere_only_the_same_origin_and_those_of_the_list_pass,
    a_star_lets_everyone_in,
}

/// The status of the answer to a page of this origin, which calls the server by this host.
pub(crate) fn status(server: &ServerProcess, host: &str, origin: Option<&str>) -> u16 {
    let mut head = UPGRADE.replace("Host: localhost", &format!("Host: {host}"));
    if let Some(origin) = origin {
        head += &format!("Origin: {origin}\r\n");
    }
    let mut raw = RawSocket::connect(server.address());
    raw.send(head.as_bytes());
    raw.send(b"\r\n");
    let answer = raw.first_line();
    answer[9..12].parse().expect("a status")
}

fn assert_statuses(server: &ServerProcess, table: &[(&str, Option<&str>, u16)]) {
    for &(host, origin, expected) in table {
        let found = status(server, host, origin);
        assert_eq!(found, expected, "{origin:?} at {host}");
    }
    let refused = table.iter().filter(|row| row.2 == 403).count() as u64;
    let counter = "stentor_handshakes_refused_total{cause=\"origin\"}";
    assert_eq!(server.metrics().get(counter), refused);
}

fn pages_from_files_pass_where_they_are_allowed(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "--allow-origin null --allow-origin file://");
    let host = "localhost:8080";
    assert_statuses(
        &server,
        &[
            (host, Some("null"), 101),
            (host, Some("file://"), 101),
            (host, Some("http://localhost:3000"), 101),
            (host, Some("file:///"), 403),
            (host, Some("nul"), 403),
            (host, Some(EVIL), 403),
        ],
    );
}

const EVIL: &str = "http://evil.example";

fn on_loopback_every_loopback_origin_passes_and_no_other(adapter: Adapter) {
    let server = ServerProcess::start(adapter, "");
    assert_statuses(
        &server,
        &[
            ("localhost:8080", None, 101),
            ("localhost:8080", Some("http://localhost:8080"), 101),
            ("localhost:8080", Some("http://localhost:3000"), 101),
            ("localhost:8080", Some("http://localhost"), 101),
            ("localhost:8080", Some("https://127.0.0.1:9999"), 101),
            ("localhost:8080", Some("http://[::1]:5173"), 101),
            ("localhost:8080", Some("null"), 403),
            ("localhost:8080", Some(EVIL), 403),
            ("localhost:8080", Some("http://localhost.evil.example"), 403),
            ("localhost:8080", Some("http://127.0.0.1.evil.example"), 403),
            ("chat.example", Some("http://chat.example"), 421),
            ("localhost:8080", Some("file://"), 403),
            ("localhost:8080", Some(""), 403),
        ],
    );
}

fn elsewhere_only_the_same_origin_and_those_of_the_list_pass(adapter: Adapter) {
    let flags = "--handler rooms --metrics.public --allow-origin https://app.example \
                 --allow-origin http://b.example:8080 --allow-origin http://*.c.example:*";
    let server = ServerProcess::start_at(adapter, "0.0.0.0:0", flags);
    assert_statuses(
        &server,
        &[
            ("chat.example", None, 101),
            ("chat.example", Some("http://chat.example"), 101),
            ("chat.example", Some("https://CHAT.example"), 101),
            ("chat.example:8080", Some("http://chat.example:8080"), 101),
            ("chat.example:8080", Some("http://chat.example"), 403),
            ("chat.example", Some("https://app.example"), 101),
            ("chat.example", Some("https://APP.example:443"), 101),
            ("chat.example", Some("http://app.example"), 403),
            ("chat.example", Some("http://b.example:8080"), 101),
            ("chat.example", Some("http://b.example"), 403),
            ("chat.example", Some("http://a.C.example:3000"), 101),
            ("chat.example", Some("http://a.c.example"), 403),
            (
                "chat.example",
                Some("http://a.c.example.evil.example:1"),
                403,
            ),
            ("chat.example", Some("http://localhost:3000"), 403),
            ("chat.example", Some("null"), 403),
            ("chat.example", Some(EVIL), 403),
        ],
    );
}

fn a_star_lets_everyone_in(adapter: Adapter) {
    let server = ServerProcess::start_at(
        adapter,
        "0.0.0.0:0",
        "--handler rooms --metrics.public --allow-origin *",
    );
    assert_statuses(
        &server,
        &[
            ("chat.example", None, 101),
            ("chat.example", Some("null"), 101),
            ("chat.example", Some(EVIL), 101),
            ("chat.example", Some("http://localhost:3000"), 101),
        ],
    );
}
