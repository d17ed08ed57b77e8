//! Clients of MessagePack, beside those of the other codecs in the same channels.

use serde_json::{Value, json};
use stentor_core::ConnId;
use stentor_gateway::namespaces::{ChannelOptions, DeltaType};

use super::server::Server;
use super::{insecure, recoverable};

fn server() -> Server {
    Server::new(insecure(ChannelOptions {
        allow_tags_filter: true,
        allowed_delta_types: vec![DeltaType::Fossil],
        delta_publish: true,
        ..recoverable(10)
    }))
}

fn open(server: &mut Server) -> ConnId {
    let field = "Sec-WebSocket-Protocol: stentor-msgpack";
    let id = server.upgrade("/connection/websocket", &["Host: localhost", field]);
    assert_eq!(server.status(id), 101);
    assert!(server.head(id).contains("stentor-msgpack"));
    id
}

fn pack(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &packed(value)).expect("into memory");
    out
}

fn packed(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().expect("a number").into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => rmpv::Value::Array(items.iter().map(packed).collect()),
        Value::Object(members) => {
            let members = members.iter();
            rmpv::Value::Map(
                members
                    .map(|(key, value)| (key.as_str().into(), packed(value)))
                    .collect(),
            )
        }
    }
}

fn unpacked(value: &rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => (*value).into(),
        rmpv::Value::Integer(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_u64().into(),
        },
        rmpv::Value::F64(number) => (*number).into(),
        rmpv::Value::String(text) => text.as_str().into(),
        rmpv::Value::Array(items) => items.iter().map(unpacked).collect(),
        rmpv::Value::Map(members) => {
            let members = members.iter();
            let text = |key: &rmpv::Value| key.as_str().expect("a text").to_owned();
            members
                .map(|(key, value)| (text(key), unpacked(value)))
                .collect()
        }
        other => panic!("{other} is not what JSON has"),
    }
}

/// What a client has got since the last call.
fn values(server: &mut Server, id: ConnId) -> Vec<Value> {
    let mut values = Vec::new();
    for message in server.binaries(id) {
        let mut rest = &message[..];
        while !rest.is_empty() {
            values.push(unpacked(
                &rmpv::decode::read_value(&mut rest).expect("maps"),
            ));
        }
    }
    values
}

fn ask(server: &mut Server, id: ConnId, command: &Value) -> Vec<Value> {
    server.send_binary(id, &pack(command));
    values(server, id)
}

fn connected(server: &mut Server) -> ConnId {
    let id = open(server);
    let replies = ask(server, id, &json!({ "id": 1, "connect": {} }));
    assert!(replies[0]["connect"]["client"].is_string());
    id
}

#[test]
fn payloads_are_values_and_not_texts() {
    let mut server = server();
    let one = open(&mut server);
    // Several commands in one message, and their replies in one.
    let commands = [
        json!({ "id": 1, "connect": { "name": "py" } }),
        json!({ "id": 2, "subscribe": { "channel": "c" } }),
    ];
    server.send_binary(one, &commands.iter().flat_map(pack).collect::<Vec<_>>());
    let replies = values(&mut server, one);
    assert_eq!(
        (&replies[0]["id"], &replies[1]["id"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(replies[1]["subscribe"]["recoverable"], true);

    let (other, _) = server.connected();
    server.ask(other, r#"{"id":2,"subscribe":{"channel":"c"}}"#);
    let data = json!({ "a": [1, -2, 2.5, null, true, "\u{e9}\n\"" ], "low": i64::MIN, "": {} });
    let publish = json!({ "id": 3, "publish": { "channel": "c", "data": data } });
    let replies = ask(&mut server, one, &publish);
    assert!(replies.contains(&json!({ "id": 3, "publish": {} })));
    let push = replies.iter().find(|reply| reply["push"].is_object());
    let push = push.expect("its own publication");
    assert_eq!(push["push"]["pub"]["data"], data);
    assert_eq!(push["push"]["pub"]["offset"], 1);
    let pushes = server.values(other);
    assert_eq!(pushes[0]["push"]["pub"]["data"], data);

    // From JSON to MessagePack.
    server.ask(
        other,
        r#"{"id":4,"publish":{"channel":"c","data":[18446744073709551615, {"x":1.25}]}}"#,
    );
    let pushes = values(&mut server, one);
    assert_eq!(
        pushes[0]["push"]["pub"]["data"],
        json!([u64::MAX, { "x": 1.25 }])
    );
    let history = json!({ "id": 5, "history": { "channel": "c", "limit": 5 } });
    let replies = ask(&mut server, one, &history);
    let publications = &replies[0]["history"]["publications"];
    assert_eq!(publications[0]["data"], data);
    assert_eq!(publications[1]["data"][0], u64::MAX);
}

#[test]
fn a_publication_is_translated_once_for_all() {
    let mut server = server();
    let clients: Vec<ConnId> = (0..6).map(|_| connected(&mut server)).collect();
    for &id in &clients {
        let subscribe = json!({ "id": 2, "subscribe": { "channel": "c", "delta": "fossil" } });
        let replies = ask(&mut server, id, &subscribe);
        // There are no patches in this codec.
        assert_eq!(replies[0]["subscribe"]["delta"], Value::Null);
    }
    let before = server.encodes();
    server.api(
        "publish",
        r#"{"channel":"c","data":{"n":1},"tags":{"a":"b"}}"#,
    );
    let received: Vec<Vec<u8>> = clients.iter().flat_map(|&id| server.binaries(id)).collect();
    assert_eq!(received.len(), clients.len());
    assert!(received.iter().all(|bytes| *bytes == received[0]));
    assert_eq!(server.encodes() - before, 1);
}

#[test]
fn what_is_recovered_and_filtered_is_as_in_json() {
    let mut server = server();
    let id = connected(&mut server);
    for n in 1..=3 {
        let params = format!(r#"{{"channel":"c","data":{n},"tags":{{"n":"{n}"}}}}"#);
        server.api("publish", &params);
    }
    let filter = json!({ "key": "n", "cmp": "neq", "val": "2" });
    let subscribe = json!({
        "id": 2,
        "subscribe": { "channel": "c", "recover": true, "offset": 0, "tf": filter },
    });
    let replies = ask(&mut server, id, &subscribe);
    let publications = replies[0]["subscribe"]["publications"].clone();
    assert_eq!(
        publications,
        json!([
            { "data": 1, "offset": 1, "tags": { "n": "1" } },
            { "data": 3, "offset": 3, "tags": { "n": "3" } },
        ])
    );
}

#[test]
fn pings_are_empty_maps() {
    let mut server = server();
    let id = connected(&mut server);
    server.advance_to_ping(id);
    assert_eq!(server.binaries(id), [[0x80]]);
    server.send_binary(id, &[0x80]);
    assert_eq!(server.closed(id), None);
    // A second pong for one ping.
    server.send_binary(id, &[0x80]);
    assert_eq!(server.closed(id).map(|(code, _)| code), Some(3501));
}

#[test]
fn hostile_messages_are_closed_with_3501() {
    let mut server = server();
    let deep = [vec![0x91; 5_000], vec![0xC0]].concat();
    let command = |data: &[u8]| {
        // {"id": 2, "rpc": {"data": ...}}
        [&b"\x82\xA2id\x02\xA3rpc\x81\xA4data"[..], data].concat()
    };
    for message in [
        Vec::new(),
        b"\xC1".to_vec(),
        b"\x05".to_vec(),
        b"\x90".to_vec(),
        b"\x81\x01\x02".to_vec(),
        b"\xDF\xFF\xFF\xFF\xFF".to_vec(),
        b"\xDD\x7F\xFF\xFF\xFF\xC0\xC0".to_vec(),
        b"\xDB\xFF\xFF\xFF\xFF{}".to_vec(),
        command(b"\xD4\x01\x00"),
        command(b"\x81\xC0\xC0"),
        command(b"\xCB\x7F\xF0\0\0\0\0\0\0"),
        command(b"\xA1\xFF"),
        command(&deep),
        command(b""),
        b"{\"id\":2,\"rpc\":{}}".to_vec(),
    ] {
        let id = connected(&mut server);
        server.send_binary(id, &message);
        let code = server.closed(id).map(|(code, _)| code);
        assert_eq!(code, Some(3501), "{message:x?}");
    }
    // What stands before a fault is carried out.
    let id = connected(&mut server);
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "c" } });
    server.send_binary(id, &[pack(&subscribe), b"\xC1".to_vec()].concat());
    assert_eq!(server.closed(id).map(|(code, _)| code), Some(3501));
    assert_eq!(server.stats().channels().subscribes, 1);
}

#[test]
fn the_client_says_which_codec_it_prefers() {
    let mut server = server();
    for chosen in [
        ["stentor-msgpack", "centrifuge-json"],
        ["centrifuge-json", "stentor-msgpack"],
    ] {
        let field = format!("Sec-WebSocket-Protocol: {}", chosen.join(", "));
        let id = server.upgrade("/connection/websocket", &["Host: localhost", &field]);
        let answer = format!("\r\nSec-WebSocket-Protocol: {}\r\n", chosen[0]);
        assert!(server.head(id).contains(&answer), "{}", server.head(id));
    }
}

#[test]
fn no_payload_of_json_closes_a_subscriber() {
    let mut server = server();
    let (one, other) = (connected(&mut server), connected(&mut server));
    for id in [one, other] {
        ask(
            &mut server,
            id,
            &json!({ "id": 2, "subscribe": { "channel": "c" } }),
        );
    }
    let (publisher, _) = server.connected();
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let payloads = ["1e999", r#""\ud800""#, r#"{"a":1,"a":2}"#, &deep];
    for payload in payloads {
        let publish = format!(r#"{{"id":2,"publish":{{"channel":"c","data":{payload}}}}}"#);
        server.ask(publisher, &publish);
    }
    for id in [one, other] {
        let pushes = server.binaries(id);
        assert_eq!(pushes.len(), payloads.len());
        assert!(pushes[3].len() > 20_000);
        assert_eq!(server.closed(id), None);
    }
    // Nor one that recovers them.
    let late = connected(&mut server);
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "c", "recover": true } });
    server.send_binary(late, &pack(&subscribe));
    assert_eq!(server.binaries(late).len(), 1);
    assert_eq!(server.closed(late), None);
}

#[test]
fn bytes_that_are_no_json_do_to_it_what_they_do_to_json() {
    let mut server = Server::new(insecure(ChannelOptions::default()));
    let one = connected(&mut server);
    let (json, _) = server.connected();
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "c" } });
    ask(&mut server, one, &subscribe);
    server.ask(json, &subscribe.to_string());
    // The request of a Protobuf client: {connect}, {publish {channel: "c", data: FF}}.
    let publisher = server.protobuf();
    server.send_binary(publisher, b"\x04\x08\x01\x22\x00");
    server.send_binary(publisher, b"\x0A\x08\x02\x3A\x06\x0A\x01c\x12\x01\xFF");
    assert_eq!(server.stats().channels().publications, 1);
    // Those that come next are heard.
    let params = r#"{"channel":"c","data":1}"#;
    server.api("publish", params);
    for (id, pushes) in [(one, values(&mut server, one)), (json, server.values(json))] {
        let push = json!({ "push": { "channel": "c", "pub": { "data": 1 } } });
        assert_eq!(pushes, [push]);
        assert_eq!(server.closed(id), None);
    }
}

#[test]
fn presence_and_errors_are_as_in_json() {
    let mut server = Server::new(insecure(ChannelOptions {
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
        ..ChannelOptions::default()
    }));
    let one = connected(&mut server);
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "c" } });
    ask(&mut server, one, &subscribe);
    let (other, client) = server.connected();
    server.ask(other, &subscribe.to_string());
    let events = values(&mut server, one);
    let info = json!({ "user": "", "client": client });
    let join = json!({ "push": { "channel": "c", "join": { "info": info } } });
    assert!(events.contains(&join), "{events:?}");
    let presence = json!({ "id": 3, "presence": { "channel": "c" } });
    let replies = ask(&mut server, one, &presence);
    assert_eq!(replies[0]["presence"]["presence"][&client], info);
    let history = json!({ "id": 4, "history": { "channel": "c" } });
    let error = json!({ "id": 4, "error": { "code": 108, "message": "not available" } });
    assert_eq!(ask(&mut server, one, &history), [error]);
}

#[test]
fn a_slow_client_is_closed_as_one_of_json() {
    let mut settings = insecure(ChannelOptions::default());
    settings.client.queue_max_size = 10_000;
    let mut server = Server::new(settings);
    let slow = connected(&mut server);
    let subscribe = json!({ "id": 2, "subscribe": { "channel": "c" } });
    ask(&mut server, slow, &subscribe);
    server.set_stuck(slow, true);
    for n in 0..2_000 {
        server.api("publish", &format!(r#"{{"channel":"c","data":{n}}}"#));
    }
    server.set_stuck(slow, false);
    assert_eq!(server.closed(slow), Some((3008, "slow".to_owned())));
}
