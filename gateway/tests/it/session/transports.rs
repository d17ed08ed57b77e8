//! Clients that are not connected by WebSocket: HTTP streaming, server-sent events, their commands in
//! requests of their own, and one-way clients.

use std::time::Duration;

use serde_json::{Value, json};
use stentor_core::ConnId;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};

use super::server::Server;
use super::{insecure, settings, token, with_history};

const STREAM: &str = "/connection/http_stream";
const EVENTS: &str = "/connection/sse";
const CONNECT: &[u8] = br#"{"id":1,"connect":{}}"#;

fn open() -> Server {
    Server::new(insecure(with_history(10)))
}

/// A client whose commands come in requests of their own.
struct Emulated {
    stream: ConnId,
    session: String,
    node: String,
}

impl Emulated {
    fn connect(server: &mut Server) -> Self {
        let stream = server.post(STREAM, &[], CONNECT);
        assert_eq!(server.status(stream), 200);
        let replies = server.lines(stream);
        Self::of(stream, &replies[0])
    }

    fn of(stream: ConnId, reply: &Value) -> Self {
        let text = |key: &str| {
            let value = reply["connect"][key].as_str();
            value.expect("an emulated client has it").to_owned()
        };
        Self {
            stream,
            session: text("session"),
            node: text("node"),
        }
    }

    /// Sends commands, and returns the status.
    fn send(&self, server: &mut Server, data: &str) -> u16 {
        let body = json!({"session": self.session, "node": self.node, "data": data});
        let post = server.post("/emulation", &[], body.to_string().as_bytes());
        server.status(post)
    }

    /// Sends commands, and returns what has come over the stream.
    fn ask(&self, server: &mut Server, data: &str) -> Vec<Value> {
        assert_eq!(self.send(server, data), 204);
        server.lines(self.stream)
    }
}

#[test]
fn commands_come_in_requests_to_any_shard_and_replies_over_the_stream() {
    let mut server = open();
    let client = Emulated::connect(&mut server);
    let (other, _) = server.connected();
    // Each request is on another shard than the one before.
    for n in 2..8 {
        let command = format!(r#"{{"id":{n},"subscribe":{{"channel":"c{n}"}}}}"#);
        let replies = client.ask(&mut server, &command);
        assert_eq!((replies.len(), &replies[0]["id"]), (1, &json!(n)));
        assert!(replies[0]["subscribe"].is_object(), "{replies:?}");
    }
    let two = "{\"id\":8,\"publish\":{\"channel\":\"c2\",\"data\":{\"a\":1}}}\n\
               {\"id\":9,\"presence_stats\":{\"channel\":\"c2\"}}\n";
    let replies = client.ask(&mut server, two);
    let ids: Vec<_> = replies.iter().map(|reply| &reply["id"]).collect();
    assert!(ids.contains(&&json!(8)) && ids.contains(&&json!(9)));
    let pushed = replies.iter().find(|reply| reply["push"].is_object());
    assert_eq!(
        pushed.expect("a push")["push"]["pub"]["data"],
        json!({"a": 1})
    );
    server.ask(other, r#"{"id":2,"publish":{"channel":"c3","data":"x"}}"#);
    assert_eq!(server.lines(client.stream)[0]["push"]["pub"]["data"], "x");
}

#[test]
fn the_first_message_has_several_commands() {
    let mut server = open();
    let first = b"{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n";
    let stream = server.post(STREAM, &[], first);
    let replies = server.lines(stream);
    let ids: Vec<_> = replies.iter().map(|reply| &reply["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2)]);
}

#[test]
fn pings_are_answered_by_requests_and_a_client_that_does_not_is_told_so() {
    let mut server = open();
    let client = Emulated::connect(&mut server);
    let await_ping = |server: &mut Server| {
        let pings = (0..30).find_map(|_| {
            server.advance(Duration::from_secs(1));
            Some(server.lines(client.stream)).filter(|lines| !lines.is_empty())
        });
        assert_eq!(pings, Some(vec![json!({})]));
    };
    await_ping(&mut server);
    assert!(client.ask(&mut server, "{}").is_empty());
    await_ping(&mut server);
    server.advance(Duration::from_secs(9));
    let last = server.lines(client.stream);
    let push =
        json!({"push": {"disconnect": {"code": 3012, "reason": "no pong", "reconnect": true}}});
    assert_eq!(last, [push]);
    assert!(server.is_gone(client.stream));
}

#[test]
fn a_session_that_has_ended_is_not_found() {
    let mut server = open();
    let client = Emulated::connect(&mut server);
    server.hang_up(client.stream);
    assert_eq!(client.send(&mut server, "{}"), 404);
    // Another one in its place has another secret.
    let again = Emulated::connect(&mut server);
    assert_ne!(again.session, client.session);
    assert_eq!(client.send(&mut server, "{}"), 404);
}

#[test]
fn the_last_message_says_why_a_client_is_closed() {
    let end = |code: u16, reason: &str| {
        let reconnect = code < 3_500;
        let mut end = json!({"code": code, "reason": reason});
        if reconnect {
            end["reconnect"] = json!(true);
        }
        json!({"push": {"disconnect": end}})
    };
    let mut server = open();
    for data in [
        "",
        "no JSON",
        r#"{"id":2}"#,
        r#"{"id":2,"connect":{}}"#,
        "{}",
    ] {
        let client = Emulated::connect(&mut server);
        assert_eq!(
            client.ask(&mut server, data),
            [end(3501, "bad request")],
            "{data}"
        );
        assert!(server.is_gone(client.stream));
    }
    for first in [&b""[..], b"no JSON", b"{}", br#"{"id":1,"subscribe":{}}"#] {
        let stream = server.post(STREAM, &[], first);
        assert_eq!(server.status(stream), 200);
        assert_eq!(server.lines(stream), [end(3501, "bad request")]);
        assert!(server.is_gone(stream));
    }
    let client = Emulated::connect(&mut server);
    server.shut_down();
    assert_eq!(server.lines(client.stream), [end(3001, "shutdown")]);
}

#[test]
fn a_client_that_does_not_keep_up_is_closed_and_others_wait_for_nothing() {
    let mut settings = insecure(ChannelOptions::default());
    settings.client.queue_max_size = 8 << 10;
    let mut server = Server::new(settings);
    let slow = Emulated::connect(&mut server);
    let quick = Emulated::connect(&mut server);
    for client in [&slow, &quick] {
        client.ask(&mut server, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    }
    server.set_stuck(slow.stream, true);
    let (publisher, _) = server.connected();
    let data = "x".repeat(1_000);
    for n in 2..40 {
        let command = format!(r#"{{"id":{n},"publish":{{"channel":"a","data":"{data}"}}}}"#);
        server.ask(publisher, &command);
        assert_eq!(server.lines(quick.stream).len(), 1);
    }
    server.set_stuck(slow.stream, false);
    let heard = server.lines(slow.stream);
    assert_eq!(
        heard.last().expect("an end")["push"]["disconnect"]["code"],
        3008
    );
    assert!(heard.len() < 12);
}

#[test]
fn each_reply_is_an_event_of_its_own() {
    let mut server = open();
    let connect = "%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D%0A\
                   %7B%22id%22:2,%22subscribe%22:%7B%22channel%22:%22a+b%22%7D%7D";
    let target = format!("{EVENTS}?x=1&cf_connect={connect}");
    let by_get = server.request(&target, &["Host: localhost"]);
    let two = b"{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a b\"}}";
    let by_post = server.post(EVENTS, &[], two);
    let mut sessions = Vec::new();
    for id in [by_get, by_post] {
        let head = server.head(id);
        assert!(head.contains("\r\nContent-Type: text/event-stream; charset=utf-8\r\n"));
        let content = String::from_utf8(server.content(id)).expect("text");
        let events = content.strip_prefix('\n').expect("a line at once");
        let events: Vec<Value> = events
            .split_terminator("\n\n")
            .map(|event| {
                let data = event.strip_prefix("data: ").expect("data");
                serde_json::from_str(data).expect("one object")
            })
            .collect();
        assert_eq!((&events[0]["id"], &events[1]["id"]), (&json!(1), &json!(2)));
        sessions.push(Emulated::of(id, &events[0]));
    }
    let publish = r#"{"id":3,"publish":{"channel":"a b","data":{"line":"\r\n"}}}"#;
    assert_eq!(sessions[0].send(&mut server, publish), 204);
    let content = server.content(by_post);
    assert!(content.starts_with(b"data: {\"push\""), "{content:?}");
    let ends = content
        .iter()
        .filter(|&&byte| matches!(byte, b'\n' | b'\r'));
    assert_eq!(ends.count(), 2);
}

#[test]
fn protobuf_clients_get_replies_with_their_lengths() {
    let mut server = open();
    let media = ["Content-Type: application/octet-stream; x=y"];
    // Command 1: connect.
    let stream = server.post(STREAM, &media, b"\x04\x08\x01\x22\x00");
    assert!(
        server
            .head(stream)
            .contains("\r\nContent-Type: application/octet-stream\r\n")
    );
    let reply = server.content(stream);
    assert_eq!(usize::from(reply[0]), reply.len() - 1);
    let at = reply.windows(2).position(|pair| pair == b"\x4a\x26");
    let session = &reply[at.expect("a session") + 2..][..38];
    // Command 2: presence_stats of `a`.
    let command = b"\x07\x08\x02\x4a\x03\x0a\x01a";
    let mut body = vec![0x12, 38];
    body.extend_from_slice(session);
    body.extend_from_slice(b"\x0a\x011\x1a\x08");
    body.extend_from_slice(command);
    let post = server.post("/emulation", &media, &body);
    assert_eq!(server.status(post), 204);
    assert_eq!(server.content(stream)[1..3], *b"\x08\x02", "a reply to it");
    // The end of a Protobuf client is a push in Protobuf.
    server.shut_down();
    let last = server.content(stream);
    assert!(
        last.windows(8).any(|bytes| bytes == b"shutdown"),
        "{last:?}"
    );
    assert!(!last.contains(&b'{'));
}

#[test]
fn requests_that_are_wrong_have_their_status() {
    let mut server = open();
    let client = Emulated::connect(&mut server);
    let Emulated { session, node, .. } = &client;
    let emulation = |session: &str, node: &str, data: &str| {
        json!({"session": session, "node": node, "data": data})
            .to_string()
            .into_bytes()
    };
    let large = vec![b' '; (64 << 10) + 1];
    let other_shard = session.replacen(|c: char| c.is_ascii_digit(), "9", 1);
    let mac = session.rfind(':').expect("a secret") + 1;
    let guess = format!("{}{}", &session[..mac], "0".repeat(32));
    for (path, body, status) in [
        ("/emulation", emulation(session, node, "{}\u{0}"), 204),
        ("/emulation", b"".to_vec(), 400),
        ("/emulation", b"[]".to_vec(), 400),
        ("/emulation", b"{}".to_vec(), 400),
        (
            "/emulation",
            br#"{"session":1,"node":"1","data":""}"#.to_vec(),
            400,
        ),
        ("/emulation", emulation(session, "2", "{}"), 404),
        ("/emulation", emulation(session, "", "{}"), 404),
        ("/emulation", emulation("", node, "{}"), 404),
        ("/emulation", emulation(&guess, node, "{}"), 404),
        ("/emulation", emulation(&other_shard, node, "{}"), 404),
        ("/emulation/", emulation(session, node, "{}"), 404),
        ("/connection/uni_sse", b"{}".to_vec(), 404),
        ("/connection/uni_http_stream", b"{}".to_vec(), 404),
    ] {
        let post = server.post(path, &[], &body);
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(server.status(post), status, "{path} {text}");
    }
    for path in [STREAM, EVENTS, "/emulation"] {
        let post = server.post(path, &[], &large);
        assert_eq!(server.status(post), 413, "{path}");
        let put =
            server.accept(format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        assert_eq!(server.status(put), 405, "{path}");
        assert!(server.head(put).contains("\r\nAllow: "));
    }
    for (path, status) in [(STREAM, 405), ("/emulation", 405), (EVENTS, 400)] {
        let get = server.request(path, &["Host: localhost"]);
        assert_eq!(server.status(get), status, "{path}");
    }
    let post = server.accept(b"POST /connection/http_stream HTTP/1.0\r\nContent-Length: 21\r\n\r\n{\"id\":1,\"connect\":{}}");
    assert_eq!(server.lines(post)[0]["id"], 1);
}

#[test]
fn pages_of_allowed_origins_may_read_the_answers_and_no_others() {
    let mut server = open();
    let own = "Origin: http://localhost";
    for path in [STREAM, EVENTS, "/emulation"] {
        let asks = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\n{own}\r\n\
             Access-Control-Request-Headers: content-type\r\n\r\n"
        );
        let id = server.accept(asks.as_bytes());
        let head = server.head(id);
        assert_eq!(server.status(id), 204);
        for field in [
            "Access-Control-Allow-Origin: http://localhost\r\n",
            "Access-Control-Allow-Credentials: true\r\n",
            "Access-Control-Allow-Headers: content-type\r\n",
            "Access-Control-Max-Age: 300\r\n",
            "POST, OPTIONS\r\n",
            "Vary: Origin\r\n",
        ] {
            assert!(head.contains(field), "{field}: {head}");
        }
        let id = server.post(path, &[own], CONNECT);
        assert!(
            server
                .head(id)
                .contains("Access-Control-Allow-Origin: http://localhost\r\n")
        );
        for foreign in ["Origin: http://elsewhere", "Origin: null", "Origin: "] {
            let id = server.post(path, &[foreign], CONNECT);
            assert_eq!(server.status(id), 403, "{foreign}");
            assert!(!server.head(id).contains("Access-Control"));
        }
    }
}

#[test]
fn a_token_is_needed_over_every_transport() {
    let mut server = Server::new(settings(ChannelSettings::default()));
    let stream = server.post(STREAM, &[], CONNECT);
    assert_eq!(server.lines(stream)[0]["push"]["disconnect"]["code"], 3501);
    let connect = format!(
        r#"{{"id":1,"connect":{{"token":"{}"}}}}"#,
        token(r#"{"sub":"42"}"#)
    );
    let stream = server.post(STREAM, &[], connect.as_bytes());
    assert!(server.lines(stream)[0]["connect"]["session"].is_string());
    let websocket = server.json();
    let replies = server.ask(websocket, &connect);
    assert_eq!(replies[0]["connect"]["session"], Value::Null);
    assert_eq!(replies[0]["connect"]["node"], Value::Null);
}

#[test]
fn one_way_clients_get_pushes_without_a_reply_around_them() {
    let mut settings = insecure(with_history(10));
    settings.transports.uni_websocket = true;
    settings.transports.uni_http_stream = true;
    settings.transports.uni_sse = true;
    let mut server = Server::new(settings);
    let request = r#"{"subs":{"a":{}}}"#;
    let stream = server.post("/connection/uni_http_stream", &[], request.as_bytes());
    let events = server.request(
        "/connection/uni_sse?cf_connect=%7B%22subs%22%3A%7B%22a%22%3A%7B%7D%7D%7D",
        &["Host: localhost"],
    );
    let socket = server.upgrade("/connection/uni_websocket", &["Host: localhost"]);
    server.send(socket, request);
    let by_query = server.upgrade(
        "/connection/uni_websocket?cf_connect=%7B%22subs%22%3A%7B%22a%22%3A%7B%7D%7D%7D",
        &["Host: localhost"],
    );
    let check = |connect: &Value| {
        assert!(connect["connect"]["subs"]["a"].is_object(), "{connect}");
        assert!(connect["connect"]["session"].is_string());
        for absent in ["node", "pong"] {
            assert_eq!(connect["connect"][absent], Value::Null);
        }
        assert_eq!(connect["connect"]["ping"], 25);
    };
    check(&server.lines(stream)[0]);
    for id in [socket, by_query] {
        check(&server.values(id)[0]);
    }
    let content = String::from_utf8(server.content(events)).expect("text");
    let event = content
        .trim_start()
        .strip_prefix("data: ")
        .expect("an event");
    check(&serde_json::from_str(event).expect("one object"));

    // What else they say is not heard.
    server.send(socket, r#"{"id":2,"publish":{"channel":"a","data":{}}}"#);
    let (other, _) = server.connected();
    server.ask(
        other,
        r#"{"id":2,"publish":{"channel":"a","data":{"n":1}}}"#,
    );
    let expected = |found: &Value| {
        assert_eq!(found["channel"], "a");
        assert_eq!(found["pub"]["data"], json!({"n": 1}));
    };
    expected(&server.lines(stream)[0]);
    for id in [socket, by_query] {
        let values = server.values(id);
        assert_eq!(values.len(), 1);
        expected(&values[0]);
    }
    // Pings want no answer.
    server.content(events);
    server.advance(Duration::from_secs(60));
    let content = String::from_utf8(server.content(events)).expect("text");
    assert!(content.starts_with("data: {}\n\n") && !content.contains("disconnect"));
    assert!(server.lines(stream).iter().all(|ping| *ping == json!({})));
    server.values(socket);
    server.shut_down();
    let last = server.lines(stream);
    assert_eq!(
        last,
        [json!({"disconnect": {"code": 3001, "reason": "shutdown", "reconnect": true}})]
    );
    assert_eq!(server.closed(socket).expect("a close frame").0, 3001);
}

#[test]
fn a_one_way_client_whose_connect_fails_is_closed() {
    let mut settings = settings(ChannelSettings::default());
    settings.transports.uni_websocket = true;
    settings.transports.uni_http_stream = true;
    let mut server = Server::new(settings);
    let expired = format!(r#"{{"token":"{}"}}"#, token(r#"{"sub":"42","exp":1}"#));
    for (request, code) in [
        (expired.as_str(), 3005),
        (r#"{"token":"no token"}"#, 3500),
        ("{}", 3501),
        ("", 3501),
        ("[]", 3501),
    ] {
        let stream = server.post("/connection/uni_http_stream", &[], request.as_bytes());
        assert_eq!(
            server.lines(stream)[0]["disconnect"]["code"],
            code,
            "{request}"
        );
        let socket = server.upgrade("/connection/uni_websocket", &["Host: localhost"]);
        server.send(socket, request);
        let told: Value = {
            let (closed, reason) = server.close_and_texts(socket);
            assert_eq!(closed, code, "{reason:?}");
            serde_json::from_str(&reason[0]).expect("a push")
        };
        assert_eq!(told["disconnect"]["code"], code);
    }
}

#[test]
fn a_transport_that_is_off_is_not_there() {
    let mut settings = insecure(ChannelOptions::default());
    settings.transports.http_stream = false;
    let mut server = Server::new(settings.clone());
    let stream = server.post(STREAM, &[], CONNECT);
    assert_eq!(server.status(stream), 404);
    let events = server.post(EVENTS, &[], CONNECT);
    assert_eq!(server.status(events), 200);
    let emulation = server.post("/emulation", &[], b"");
    assert_eq!(server.status(emulation), 400);
    settings.transports.sse = false;
    let mut server = Server::new(settings);
    for path in [EVENTS, "/emulation"] {
        let id = server.post(path, &[], b"");
        assert_eq!(server.status(id), 404);
    }
}
