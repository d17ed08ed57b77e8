//! Requests: which path and subprotocol lead to which protocol, and who is refused.

use stentor_core::ConnId;
use stentor_gateway::Access;

use super::server::Server;
use super::{insecure, settings};
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};

fn server(access: Access) -> Server {
    let mut settings = settings(ChannelSettings::default());
    settings.access = access;
    if access != Access::Configured {
        settings.tokens = None;
    }
    Server::new(settings)
}

fn header(server: &Server, id: ConnId, name: &str) -> Option<String> {
    let head = server.head(id);
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned())
}

#[test]
fn a_path_leads_to_a_protocol_or_to_404() {
    let mut server = server(Access::Configured);
    for (target, status) in [
        ("/connection/websocket", 101),
        ("/connection/websocket?cf_protocol_version=v2", 101),
        ("/ws", 101),
        ("/", 101),
        ("/connection/websocket/", 404),
        ("/connection", 404),
        ("/wss", 404),
    ] {
        let id = server.upgrade(target, &["Host: example.com"]);
        assert_eq!(server.status(id), status, "{target}");
    }
}

#[test]
fn a_plain_get_has_an_error() {
    let mut server = server(Access::Configured);
    for target in ["/connection/websocket", "/ws"] {
        let id = server.request(target, &["Host: localhost"]);
        assert_eq!(server.status(id), 426, "{target}");
    }
}

#[test]
fn without_the_seed_protocol_its_paths_are_404() {
    let mut settings = settings(ChannelSettings::default());
    settings.seed_protocol.enabled = false;
    let mut server = Server::new(settings);
    for target in ["/ws", "/"] {
        let id = server.upgrade(target, &["Host: localhost"]);
        assert_eq!(server.status(id), 404);
    }
    let id = server.upgrade("/connection/websocket", &["Host: localhost"]);
    assert_eq!(server.status(id), 101);
}

#[test]
fn subprotocol_or_query_chooses_the_codec() {
    let mut server = Server::new(insecure(ChannelOptions::default()));
    for (target, offer, chosen, is_protobuf) in [
        ("", None, None, false),
        ("", Some("centrifuge-json"), Some("centrifuge-json"), false),
        (
            "",
            Some("chat, centrifuge-protobuf"),
            Some("centrifuge-protobuf"),
            true,
        ),
        ("", Some("chat"), None, false),
        ("?cf_protocol=protobuf", None, None, true),
        ("?a=b&format=protobuf", None, None, true),
        ("?format=json", None, None, false),
        (
            "?format=protobuf",
            Some("centrifuge-json"),
            Some("centrifuge-json"),
            false,
        ),
    ] {
        let target = format!("/connection/websocket{target}");
        let offer = offer.map(|offer| format!("Sec-WebSocket-Protocol: {offer}"));
        let fields = [Some("Host: localhost"), offer.as_deref()];
        let fields: Vec<_> = fields.into_iter().flatten().collect();
        let id = server.upgrade(&target, &fields);
        let answered = header(&server, id, "Sec-WebSocket-Protocol");
        assert_eq!(answered.as_deref(), chosen, "{target} {offer:?}");
        // An unsuitable message closes either.
        let connect: &[u8] = if is_protobuf {
            b"\x04\x08\x01\x22\x00"
        } else {
            br#"{"id":1,"connect":{}}"#
        };
        server.send_binary(id, connect);
        if is_protobuf {
            assert_eq!(server.binaries(id).len(), 1, "{target} {offer:?}");
        } else {
            assert_eq!(server.values(id)[0]["id"], 1, "{target} {offer:?}");
        }
    }
}

#[test]
fn a_server_without_a_key_refuses_everybody() {
    let mut server = server(Access::Unconfigured);
    for target in ["/connection/websocket", "/ws"] {
        let id = server.upgrade(target, &["Host: localhost"]);
        assert_eq!(server.status(id), 403);
        assert!(server.body(id).contains("client.token.hmac_secret_key"));
    }
    assert_eq!(server.stats().requests_refused, 2);
}

#[test]
fn a_server_for_development_takes_direct_requests_for_loopback_only() {
    let mut server = server(Access::Development);
    for fields in [
        &["Host: localhost:8000"][..],
        &["Host: 127.0.0.1"],
        &["Host: [::1]:80"],
    ] {
        let id = server.upgrade("/connection/websocket", fields);
        assert_eq!(server.status(id), 101, "{fields:?}");
    }
    for fields in [
        &["Host: example.com"][..],
        &["Host: localhost", "Forwarded: for=192.0.2.1"],
        &["Host: localhost", "X-Forwarded-For: 192.0.2.1"],
        &["Host: localhost", "X-Forwarded-Host: a"],
        &["Host: localhost", "Via: 1.1 proxy"],
    ] {
        for target in ["/connection/websocket", "/ws"] {
            let id = server.upgrade(target, fields);
            assert_eq!(server.status(id), 403, "{fields:?}");
            assert!(server.body(id).contains("client.token.hmac_secret_key"));
        }
    }
    let id = server.upgrade("http://example.com/ws", &["Host: localhost"]);
    assert_eq!(server.status(id), 403);
    let id = server.upgrade("http://localhost/ws", &["Host: localhost"]);
    assert_eq!(server.status(id), 101);
    assert_eq!(server.stats().requests_refused, 11);
}

#[test]
fn a_server_for_development_lets_everybody_do_everything() {
    let mut server = server(Access::Development);
    let (id, _) = server.connected();
    let replies = server.ask(id, r#"{"id":2,"publish":{"channel":"a","data":1}}"#);
    assert_eq!(replies, [serde_json::json!({"id": 2, "publish": {}})]);
    // It cannot know whether a token is valid.
    let id = server.json();
    let connect = format!(
        r#"{{"id":1,"connect":{{"token":"{}"}}}}"#,
        super::token("{}")
    );
    assert_eq!(
        server.close_of(id, &connect).map(|(code, _)| code),
        Some(3500)
    );
}
