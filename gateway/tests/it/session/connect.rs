//! The life of a connection: `connect`, pings, errors, and what closes it.

use std::time::Duration;

use serde_json::json;
use stentor_core::ConnId;
use stentor_gateway::ClientSettings;
use stentor_gateway::client_protocol::{DisconnectCode, ErrorCode};
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};

use super::server::Server;
use super::{NOW, insecure, settings, token};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn open() -> Server {
    Server::new(insecure(ChannelOptions::default()))
}

fn with_client(change: impl FnOnce(&mut ClientSettings)) -> Server {
    let mut settings = insecure(ChannelOptions::default());
    change(&mut settings.client);
    Server::new(settings)
}

fn close(server: &mut Server, id: ConnId, text: &str) -> u16 {
    let (code, reason) = server.close_of(id, text).expect("a close frame");
    let codes = DisconnectCode::ALL.iter();
    let mut known = codes.filter(|known| known.number() == code);
    assert_eq!(known.next().map(|known| known.reason()), Some(&*reason));
    code
}

#[test]
fn connect_is_answered_with_what_the_server_is() {
    let mut server = open();
    let id = server.json();
    let replies = server.ask(id, r#"{"id":1,"connect":{"name":"js","data":{"a":[1]}}}"#);
    let client = replies[0]["connect"]["client"].clone();
    let number: u64 = client.as_str().expect("text").parse().expect("a number");
    assert_eq!(number >> 22, (NOW - 1_704_067_200) * 1_000);
    let version = replies[0]["connect"]["version"].clone();
    assert!(version.as_str().expect("text").starts_with("Stentor "));
    let result = json!({"client": client, "version": version, "ping": 25, "pong": true});
    assert_eq!(replies, [json!({"id": 1, "connect": result})]);
    assert_eq!(server.stats().connects(), 1);
}

#[test]
fn every_connection_has_an_id_of_its_own() {
    let mut server = open();
    let ids: std::collections::HashSet<_> = (0..20).map(|_| server.connected().1).collect();
    assert_eq!(ids.len(), 20);
}

#[test]
fn settings_say_what_connect_is_answered_with() {
    let mut server = with_client(|client| {
        client.ping_interval = Duration::from_millis(9_500);
        client.pong_timeout = Duration::ZERO;
        client.connect_include_server_time = true;
    });
    let id = server.json();
    let result = &server.ask(id, r#"{"id":1,"connect":{}}"#)[0]["connect"];
    assert_eq!(result["ping"], 10);
    assert_eq!(result.get("pong"), None);
    assert_eq!(result["time"], NOW * 1_000);

    let mut server = with_client(|client| client.ping_interval = Duration::ZERO);
    let id = server.json();
    let result = &server.ask(id, r#"{"id":1,"connect":{}}"#)[0]["connect"];
    assert_eq!((result.get("ping"), result.get("pong")), (None, None));
}

#[test]
fn replies_to_the_commands_of_one_message_come_in_one() {
    let mut server = open();
    let id = server.json();
    server.send(
        id,
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"rpc\":{\"method\":\"x\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}\n",
    );
    let texts = server.texts(id);
    assert_eq!(texts.len(), 1);
    let lines: Vec<_> = texts[0].split('\n').collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[1],
        r#"{"id":2,"error":{"code":108,"message":"not available"}}"#
    );
    assert_eq!(lines[2], r#"{"id":3,"unsubscribe":{}}"#);
}

#[test]
fn connect_comes_first_and_once() {
    for text in [
        r#"{"id":1,"subscribe":{"channel":"a"}}"#,
        r#"{"id":1,"publish":{"channel":"a","data":1}}"#,
        r#"{"id":1,"rpc":{}}"#,
        r#"{"send":{"data":1}}"#,
        "{}",
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"connect\":{}}",
    ] {
        let mut server = open();
        let id = server.json();
        assert_eq!(close(&mut server, id, text), 3501, "{text}");
    }
}

#[test]
fn malformed_messages_close_with_3501() {
    for text in [
        "",
        "\n",
        "x",
        "{",
        "[]",
        "5",
        r#"{"id":2}"#,
        r#"{"id":2,"ping":{}}"#,
        r#"{"id":2,"unheard":{}}"#,
        r#"{"id":-1,"rpc":{}}"#,
        r#"{"id":2,"rpc":{},"publish":{}}"#,
        r#"{"id":2,"subscribe":{}}"#,
        r#"{"id":2,"subscribe":{"channel":""}}"#,
        r#"{"id":2,"unsubscribe":{}}"#,
        r#"{"id":2,"publish":{"data":1}}"#,
        r#"{"id":2,"presence":{}}"#,
        r#"{"id":2,"presence_stats":{}}"#,
        r#"{"id":2,"history":{}}"#,
        r#"{"id":2,"sub_refresh":{"token":"x"}}"#,
        r#"{"id":2,"refresh":{}}"#,
        r#"{"id":2,"subscribe":{"channel":"a","delta":"other"}}"#,
        "{}",
    ] {
        let mut server = open();
        let (id, _) = server.connected();
        let (other, _) = server.connected();
        assert_eq!(close(&mut server, id, text), 3501, "{text}");
        // Nobody else is touched.
        let replies = server.ask(other, r#"{"id":2,"unsubscribe":{"channel":"a"}}"#);
        assert_eq!(replies, [json!({"id": 2, "unsubscribe": {}})]);
        let counts: Vec<_> = server
            .stats()
            .disconnects()
            .filter(|(_, n)| *n > 0)
            .collect();
        assert_eq!(counts, [(DisconnectCode::BadRequest, 1)]);
    }
}

#[test]
fn what_precedes_a_malformed_command_is_carried_out() {
    let mut server = open();
    let id = server.json();
    server.send(id, "{\"id\":1,\"connect\":{}}\nx");
    let (code, _) = server.closed(id).expect("a close frame");
    assert_eq!(code, 3501);
    assert_eq!(server.stats().connects(), 1);
}

#[test]
fn a_message_of_64_kib_is_taken_and_a_longer_one_closes_with_1009() {
    let mut server = open();
    let (id, _) = server.connected();
    let message = |len: usize| {
        let around = r#"{"id":2,"rpc":{"data":""}}"#.len();
        format!(
            r#"{{"id":2,"rpc":{{"data":"{}"}}}}"#,
            "x".repeat(len - around)
        )
    };
    assert_eq!(server.ask(id, &message(65_536))[0]["error"]["code"], 108);
    server.send(id, &message(65_537));
    assert_eq!(server.closed(id).map(|(code, _)| code), Some(1009));
}

#[test]
fn who_does_not_connect_is_closed_after_10_s() {
    let mut server = open();
    let id = server.json();
    server.advance(Duration::from_millis(9_999));
    assert!(server.texts(id).is_empty());
    server.advance(Duration::from_millis(1));
    assert_eq!(server.closed(id), Some((3502, "stale".to_owned())));
}

#[test]
fn without_permission_a_client_needs_a_token() {
    let mut server = Server::new(settings(ChannelSettings::default()));
    let id = server.json();
    assert_eq!(close(&mut server, id, r#"{"id":1,"connect":{}}"#), 3501);

    let mut settings = settings(ChannelSettings::default());
    settings.client.allow_anonymous_connect_without_token = true;
    let mut server = Server::new(settings);
    server.connected();
}

#[test]
fn a_client_is_pinged_and_answers() {
    let mut server = open();
    let (id, _) = server.connected();
    let first = server.advance_to_ping(id);
    assert!((secs(12)..=secs(25)).contains(&first), "{first:?}");
    for _ in 0..3 {
        assert_eq!(server.texts(id), ["{}"]);
        server.send(id, "{}");
        assert_eq!(server.advance_to_ping(id), secs(25));
    }
    assert_eq!(server.texts(id), ["{}"]);
    server.send(id, "{}");
    // A second answer to one ping is one too many.
    assert_eq!(close(&mut server, id, "{}"), 3501);
}

#[test]
fn a_pong_may_stand_beside_anything_without_an_id() {
    let mut server = open();
    let (id, _) = server.connected();
    server.advance_to_ping(id);
    assert_eq!(server.texts(id), ["{}"]);
    server.send(id, r#"{"publish":{"channel":"a","data":1}}"#);
    assert!(server.texts(id).is_empty());
    assert_eq!(server.stats().channels().publications, 0);
}

#[test]
fn who_does_not_answer_a_ping_is_closed_after_8_s() {
    let mut server = open();
    let (id, _) = server.connected();
    server.advance_to_ping(id);
    assert_eq!(server.texts(id), ["{}"]);
    server.advance(Duration::from_millis(7_800));
    assert!(server.texts(id).is_empty());
    server.advance(Duration::from_millis(200));
    assert_eq!(server.closed(id), Some((3012, "no pong".to_owned())));
}

#[test]
fn a_client_may_want_pings_of_websocket() {
    let mut server = open();
    let target = "/connection/websocket?cf_ws_frame_ping_pong=true";
    let id = server.upgrade(target, &["Host: localhost"]);
    let result = &server.ask(id, r#"{"id":1,"connect":{}}"#)[0]["connect"];
    assert_eq!((result.get("ping"), result.get("pong")), (None, None));
    server.advance(secs(120));
    assert!(server.texts(id).is_empty());
}

#[test]
fn more_errors_than_a_minute_may_have_close_with_3509() {
    let mut server = with_client(|client| {
        client.max_errors = 3;
        client.ping_interval = Duration::ZERO;
    });
    let (id, _) = server.connected();
    let wrong = r#"{"id":2,"rpc":{"method":"x"}}"#;
    for _ in 0..3 {
        assert_eq!(server.ask(id, wrong)[0]["error"]["code"], 108);
    }
    server.advance(secs(61));
    for _ in 0..3 {
        assert_eq!(server.ask(id, wrong)[0]["error"]["code"], 108);
    }
    assert_eq!(close(&mut server, id, wrong), 3509);
    let errors: Vec<_> = server.stats().errors().filter(|(_, n)| *n > 0).collect();
    assert_eq!(errors, [(ErrorCode::NotAvailable, 7)]);
}

#[test]
fn remote_procedures_and_messages_have_nobody_who_takes_them() {
    let mut server = open();
    let (id, _) = server.connected();
    let code = |replies: Vec<serde_json::Value>| replies[0]["error"]["code"].clone();
    for (method, error) in [("", 108), ("x", 108), ("ping", 108), ("ns:x", 104)] {
        let text = format!(r#"{{"id":2,"rpc":{{"method":"{method}","data":{{}}}}}}"#);
        assert_eq!(code(server.ask(id, &text)), error, "{method}");
    }
    assert_eq!(close(&mut server, id, r#"{"send":{"data":{}}}"#), 3508);

    let mut server = with_client(|client| client.rpc_ping = true);
    let (id, _) = server.connected();
    let replies = server.ask(id, r#"{"id":2,"rpc":{"method":"ping"}}"#);
    assert_eq!(replies, [json!({"id": 2, "rpc": {}})]);
}

#[test]
fn an_error_reply_to_connect_leaves_the_connection_unusable() {
    let connect = format!(
        r#"{{"id":1,"connect":{{"token":"{}"}}}}"#,
        token(r#"{"exp":5}"#)
    );
    let error = json!({"id": 1, "error": {"code": 109, "message": "token expired"}});
    for text in [r#"{"id":2,"connect":{}}"#, r#"{"id":2,"rpc":{}}"#, "{}"] {
        let mut server = open();
        let id = server.json();
        assert_eq!(server.ask(id, &connect)[0], error);
        assert_eq!(close(&mut server, id, text), 3501, "{text}");
    }
    let mut server = open();
    let id = server.json();
    assert_eq!(server.ask(id, &connect)[0], error);
    server.advance(secs(5));
    assert_eq!(server.closed(id).map(|(code, _)| code), Some(3502));
}

#[test]
fn nothing_is_done_after_the_close() {
    let mut server = open();
    let id = server.json();
    server.send(
        id,
        "{\"id\":1,\"connect\":{}}\n{\"send\":{}}\n{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":1}}",
    );
    assert_eq!(server.closed(id).map(|(code, _)| code), Some(3508));
    assert_eq!(server.stats().channels().publications, 0);
}
