//! Tests of the decision on a request.

use alloc::format;
use alloc::string::String;

use super::*;
use crate::proto::http::{Fields, HeadLimits, Hosts, Page, PageId, Pages};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Returns the pages of a server.
fn pages() -> Pages {
    let mut pages = Pages::new();
    pages.insert(Page::fixed("/", "text/html", "<!doctype html>"));
    pages.insert(Page::fixed("/healthz", "text/plain", "ok"));
    pages.insert(Page::rendered("/metrics", PageId(3)));
    pages
}

const POLICY: Policy<'static> = Policy::TEST;

fn decided(head: &str) -> Result<HeadAction, HandshakeError> {
    decided_with(head, &POLICY)
}

/// Returns the decision, with the error of a request that is not an opening handshake in the place
/// of the application's answer.
fn decided_with(head: &str, policy: &Policy<'_>) -> Result<HeadAction, HandshakeError> {
    match decided_by_server(head, policy) {
        Ok(HeadAction::Other(error)) => Err(error),
        decided => decided,
    }
}

fn decided_by_server(head: &str, policy: &Policy<'_>) -> Result<HeadAction, HandshakeError> {
    let mut fields = Fields::new();
    let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default())?;
    let (request, _) = parsed.expect("whole");
    let pages = pages();
    let policy = Policy {
        pages: &pages,
        ..*policy
    };
    decide(&request, &policy)
}

/// Returns the decision of a server without pages.
fn decided_without_pages(head: &str) -> Result<HeadAction, HandshakeError> {
    let mut fields = Fields::new();
    let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default())?;
    let (request, _) = parsed.expect("whole");
    match decide(&request, &POLICY) {
        Ok(HeadAction::Other(error)) => Err(error),
        decided => decided,
    }
}

/// Returns the sample request with one line (by its start) replaced by others.
fn with(start: &str, lines: &str) -> String {
    let end = if lines.is_empty() { "" } else { "\r\n" };
    let line = UPGRADE
        .split("\r\n")
        .find(|line| line.starts_with(start))
        .expect("a line of the sample");
    UPGRADE.replace(&format!("{line}\r\n"), &format!("{lines}{end}"))
}

fn plus(line: &str) -> String {
    with("Host", &format!("Host: h.example\r\n{line}"))
}

fn upgraded() -> Result<HeadAction, HandshakeError> {
    Ok(HeadAction::Upgrade(Upgrade {
        accept: *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        subprotocol: None,
        deflate: None,
    }))
}

#[test]
fn the_sample_request_and_its_variants_are_upgraded() {
    assert_eq!(decided(UPGRADE), upgraded());
    for (start, lines) in [
        ("GET", "GET /ws?room=a HTTP/1.1"),
        ("GET", "GET http://H.example/ws HTTP/1.1"),
        ("Upgrade", "UPGRADE: h2c, WebSocket"),
        ("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket"),
        ("Connection", "Connection: keep-alive, upgrade"),
        (
            "Connection",
            "connection: keep-alive\r\nconnection: ,UPGRADE",
        ),
        (
            "Sec-WebSocket-Key",
            "sec-websocket-key:\t dGhlIHNhbXBsZSBub25jZQ== \t",
        ),
        (
            "Connection",
            "Connection: Keep-Alive , ,Upgrade\r\nConnection: \t",
        ),
        ("Upgrade", "Upgrade: ,websocket,"),
        ("Upgrade", "upgrade:WEBSOCKET"),
        (
            "Sec-WebSocket-Version",
            "SEC-WEBSOCKET-VERSION:13\r\nX-Empty:\r\nX-Bytes: \u{e9}\u{fc}",
        ),
        ("GET", "\r\nGET ws://h.example:80/ws HTTP/1.1"),
        ("Host", "Host: H.EXAMPLE:"),
        ("Host", "Host: h.example\r\nExpect: 100-continue"),
        ("Host", "Host: h.example\r\nSec-WebSocket-Protocol:"),
        ("Host", "Host: h.example\r\nSec-WebSocket-Protocol: , ,"),
        ("Host", "Host: h.example\r\nContent-Length: 0"),
        ("Host", "Host: h.example\r\nOrigin: http://h.example"),
        (
            "Host",
            "Host: h.example\r\nSec-WebSocket-Protocol: chat.v2, ,a!\r\nSec-WebSocket-Protocol:",
        ),
        (
            "Host",
            "Host: h.example\r\nSec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x-a; b",
        ),
    ] {
        assert_eq!(decided(&with(start, lines)), upgraded(), "{lines}");
    }
}

#[test]
fn each_violation_has_its_error() {
    use HandshakeError::{
        Body, Extensions, Host, HttpVersion, Key, Method, NotFound, NotUpgrade, Origin,
        Subprotocol, Version,
    };
    for (start, lines, error) in [
        ("Host", "", Host),
        ("Host", "Host:", Host),
        ("Host", "Host: a\r\nHost: a", Host),
        ("Host", "Host: a b", Host),
        ("Host", "Host: u@a", Host),
        ("GET", "GET /other HTTP/1.1", NotFound),
        ("GET", "POST /other HTTP/1.1", NotFound),
        ("GET", "OPTIONS /other HTTP/1.1", NotFound),
        ("GET", "GET * HTTP/1.1", NotFound),
        ("GET", "options /ws HTTP/1.1", Method),
        ("GET", "CONNECT a:80 HTTP/1.1", NotFound),
        ("GET", "GET /ws/ HTTP/1.1", NotFound),
        ("GET", "GET //ws HTTP/1.1", NotFound),
        ("GET", "GET /WS HTTP/1.1", NotFound),
        ("GET", "GET /%77s HTTP/1.1", NotFound),
        ("GET", "POST /ws HTTP/1.1", Method),
        ("GET", "get /ws HTTP/1.1", Method),
        ("GET", "HEAD /ws HTTP/1.1", NotUpgrade),
        ("GET", "GET /ws HTTP/1.0", HttpVersion),
        ("Upgrade", "", NotUpgrade),
        ("Upgrade", "Upgrade:", NotUpgrade),
        ("Upgrade", "Upgrade: websockets", NotUpgrade),
        ("Upgrade", "Upgrade: h2c", NotUpgrade),
        ("Connection", "", NotUpgrade),
        ("Connection", "Connection: close", NotUpgrade),
        ("Connection", "Connection: notupgrade", NotUpgrade),
        ("Sec-WebSocket-Version", "", Version),
        ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8", Version),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 013",
            Version,
        ),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 13, 8",
            Version,
        ),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13",
            Version,
        ),
        ("Sec-WebSocket-Key", "", Key),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Key:", Key),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ",
            Key,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=",
            Key,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_w==",
            Key,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBs=SBub25jZQ==",
            Key,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA==",
            Key,
        ),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Key: ==", Key),
    ] {
        assert_eq!(decided(&with(start, lines)), Err(error), "{lines}");
    }
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(
        decided(&with("Sec-WebSocket-Key", &format!("{key}\r\n{key}"))),
        Err(Key)
    );
    assert_eq!(decided(&plus("Origin: http://evil.example")), Err(Origin));
    for offer in ["a b", "\"a\"", "a, b/c", "a;q=1", "\u{e9}"] {
        let line = format!("Sec-WebSocket-Protocol: {offer}");
        assert_eq!(decided(&plus(&line)), Err(Subprotocol), "{offer}");
    }
    for offer in [
        "",
        " , ,",
        ";",
        "a;",
        "a b",
        "a, b=1",
        "a\r\nSec-WebSocket-Extensions: ;",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {offer}");
        assert_eq!(decided(&plus(&line)), Err(Extensions), "{offer}");
    }
    for body in [
        "Content-Length: 1",
        "Content-Length: -0",
        "Content-Length:",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 0\r\nContent-Length: 0",
        "Content-Length: 0,5",
        "Content-Length: 0,",
        "Content-Length: 99999999999999999999",
        "Content-Length: x",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
    ] {
        assert_eq!(decided(&plus(body)), Err(Body), "{body}");
    }
    assert_eq!(
        decided("GET /ws HTTP/1.1\r\nHost: h\r\n\r\n"),
        Err(NotUpgrade)
    );
}

#[test]
fn unused_bits_of_a_key_are_accepted_and_hashed_as_sent() {
    for (key, accept) in [
        // Of RFC 6455 §4.1.
        ("AQIDBAUGBwgJCgsMDQ4PEC==", *b"OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
        (
            "dGhlIHNhbXBsZSBub25jZR==",
            accept_key(b"dGhlIHNhbXBsZSBub25jZR=="),
        ),
    ] {
        let head = with("Sec-WebSocket-Key", &format!("Sec-WebSocket-Key: {key}"));
        let Ok(HeadAction::Upgrade(upgrade)) = decided(&head) else {
            panic!("{key}: {:?}", decided(&head))
        };
        assert_eq!(upgrade.accept, accept, "{key}");
    }
    assert_ne!(
        accept_key(b"AQIDBAUGBwgJCgsMDQ4PEC=="),
        accept_key(b"AQIDBAUGBwgJCgsMDQ4PEA==")
    );
}

#[test]
fn options_returns_the_methods_of_every_page() {
    for target in ["*", "/", "/ws", "/metrics", "/healthz", "/?a", "http://h"] {
        for rest in [
            "HTTP/1.0\r\n\r\n",
            "HTTP/1.0\r\nHost: h\r\n\r\n",
            "HTTP/1.1\r\nHost: h\r\n\r\n",
        ] {
            let head = format!("OPTIONS {target} {rest}");
            assert_eq!(decided(&head), Ok(HeadAction::Methods), "{head}");
        }
    }
    assert_eq!(
        decided("OPTIONS / HTTP/1.1\r\n\r\n"),
        Err(HandshakeError::Host)
    );
}

#[test]
fn common_health_checks_get_their_page() {
    for head in [
        // HAProxy, by default.
        "OPTIONS / HTTP/1.0\r\n\r\n",
        // nginx.
        "GET / HTTP/1.0\r\nHost: backend\r\nConnection: close\r\n\r\n",
        // kubelet.
        "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:8080\r\nUser-Agent: kube-probe/1.31\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        // AWS.
        "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:8080\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n",
        // Google.
        "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3\r\nUser-Agent: GoogleHC/1.0\r\nConnection: Keep-alive\r\n\r\n",
        "HEAD http://10.1.2.3:8080/healthz?probe=1 HTTP/1.1\r\nhost:10.1.2.3:8080\r\nContent-Length: 0\r\nX-Empty:\r\n\r\n",
    ] {
        let strict = Policy {
            hosts: &Hosts::default(),
            ..POLICY
        };
        for policy in [POLICY, strict] {
            let named_by_proxy = head.contains("backend") && !policy.hosts.any;
            let expected = !named_by_proxy;
            assert_eq!(decided_with(head, &policy).is_ok(), expected, "{head}");
        }
    }
}

#[test]
fn a_host_that_is_not_allowed_gets_no_page() {
    let hosts = Hosts {
        any: false,
        allowed: alloc::vec!["chat.example".parse().expect("a host")],
    };
    let policy = Policy {
        hosts: &hosts,
        ..POLICY
    };
    for path in ["/", "/ws", "/metrics", "/healthz", "/other"] {
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            let to = |host: &str| {
                let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                decided_with(&head, &policy)
            };
            assert_eq!(to("evil.example"), Err(HandshakeError::HostNotAllowed));
            for host in ["chat.example", "localhost:8080", "127.0.0.1", "[::1]"] {
                assert_ne!(to(host), Err(HandshakeError::HostNotAllowed), "{host}");
            }
        }
    }
    let rebound = UPGRADE.replace("h.example", "evil.example\r\nOrigin: http://evil.example");
    assert_eq!(decided(&rebound), upgraded());
    assert_eq!(
        decided_with(&rebound, &policy),
        Err(HandshakeError::HostNotAllowed)
    );
    // The target has precedence over the field.
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(
        decided_with(absolute, &policy),
        Err(HandshakeError::HostNotAllowed)
    );
    assert!(decided_with("GET / HTTP/1.0\r\n\r\n", &policy).is_ok());
}

#[test]
fn a_server_has_the_pages_of_its_table_only() {
    for path in ["/", "/healthz", "/metrics"] {
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n");
            let without = decided_without_pages(&head);
            assert_eq!(without, Err(HandshakeError::NotFound), "{head}");
            assert_ne!(decided(&head), without);
        }
    }
    let methods = Ok(HeadAction::Methods);
    assert_eq!(decided_without_pages("OPTIONS * HTTP/1.0\r\n\r\n"), methods);
    assert_eq!(
        decided_without_pages("OPTIONS /ws HTTP/1.0\r\n\r\n"),
        methods
    );
}

#[test]
fn the_application_is_asked_about_what_is_no_page_and_no_opening_handshake() {
    use HandshakeError::{Body, HttpVersion, Method, NotFound, NotUpgrade};
    let anywhere = Policy {
        paths: &[],
        ..POLICY
    };
    for (head, policy, error) in [
        ("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", &POLICY, NotFound),
        ("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", &anywhere, NotUpgrade),
        ("GET /ws HTTP/1.1\r\nHost: h\r\n\r\n", &POLICY, NotUpgrade),
        ("GET /ws HTTP/1.0\r\n\r\n", &POLICY, HttpVersion),
        ("DELETE /api HTTP/1.1\r\nHost: h\r\n\r\n", &anywhere, Method),
        (
            "OPTIONS /api HTTP/1.1\r\nHost: h\r\n\r\n",
            &anywhere,
            Method,
        ),
        (
            "GET /ws HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n",
            &POLICY,
            Body,
        ),
    ] {
        let asked = Ok(HeadAction::Other(error));
        assert_eq!(decided_by_server(head, policy), asked, "{head}");
    }
    // Anybody who asks for an upgrade is told what is wrong with that.
    let elsewhere = UPGRADE.replace("/ws", "/x");
    let refused = Err(HandshakeError::NotFound);
    assert_eq!(decided_by_server(&elsewhere, &POLICY), refused);
    assert_eq!(decided_by_server(&elsewhere, &anywhere), upgraded());
    let old = with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8");
    let refused = Err(HandshakeError::Version);
    assert_eq!(decided_by_server(&old, &anywhere), refused);
    let methods = "OPTIONS /ws HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(decided_by_server(methods, &POLICY), Ok(HeadAction::Methods));
}

#[test]
fn the_first_error_is_reported() {
    use HandshakeError::{
        Body, Extensions, Host, HttpVersion, Key, Method, NotFound, NotUpgrade, Origin,
        Subprotocol, Version,
    };
    // All errors at once; then they are corrected one by one, in the order of the checks.
    let mut head = UPGRADE
        .replace(
            "GET /ws HTTP/1.1\r\nHost: h.example",
            "PUT /x HTTP/1.0\r\nHost: a b\r\nContent-Length: 1\r\nOrigin: null\r\nSec-WebSocket-Protocol: a, a\r\nSec-WebSocket-Extensions: ;x",
        )
        .replace("websocket\r\n", "h2c\r\n")
        .replace(": 13", ": 8")
        .replace("dGhl", "....");
    for (fault, wrong, right) in [
        (Host, "a b", "h"),
        (NotFound, "/x", "/ws"),
        (Method, "PUT", "GET"),
        (HttpVersion, "HTTP/1.0", "HTTP/1.1"),
        (Body, "Content-Length: 1", "Content-Length: 0"),
        (NotUpgrade, "h2c", "websocket"),
        (Version, ": 8", ": 13"),
        (Key, "....", "dGhl"),
        (Subprotocol, "a, a", "a, b"),
        (Extensions, ";x", "x"),
        (Origin, "null", "http://h"),
    ] {
        assert_eq!(decided(&head), Err(fault), "{head}");
        head = head.replace(wrong, right);
    }
    assert_eq!(decided(&head), upgraded());
}

#[test]
fn pages_are_served_to_get_and_head_of_any_version() {
    let pages = pages();
    for (path, page) in [
        ("/", "/"),
        ("/metrics", "/metrics"),
        ("/healthz?x", "/healthz"),
    ] {
        for method in ["GET", "HEAD"] {
            let page = pages.index_of(page).expect("in the table");
            let shown = Ok(HeadAction::Page(page));
            assert_eq!(
                decided(&format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n")),
                shown
            );
            assert_eq!(decided(&format!("{method} {path} HTTP/1.0\r\n\r\n")), shown);
        }
        let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
        assert_eq!(decided(&head), Err(HandshakeError::Method));
        assert_eq!(
            decided(&format!("GET {path} HTTP/1.1\r\n\r\n")),
            Err(HandshakeError::Host)
        );
    }
    assert_eq!(
        decided("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        Err(HandshakeError::Host)
    );
}
