//! Replies and pushes in both codecs: transcripts. That every field has its number and name is tested
//! with a second implementation, in `sim`.

use serde_json::{Value, json};
use stentor_gateway::client_protocol::{
    ClientCodec, ClientInfo, CommandResult, ConnectResult, DisconnectCode, ErrorCode, ExpiryInfo,
    HistoryResult, InvalidPayload, PresenceStats, Publication, Push, PushEvent, Reply, ReplyBatch,
    SubscribeResult, UnsubscribeCode, encode_publication, encode_reply,
};

fn encode(codec: ClientCodec, reply: &Reply<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_reply(codec, reply, &mut out).expect("payloads are JSON");
    out
}

fn assert_json(reply: &Reply<'_>, expected: &Value) {
    let out = encode(ClientCodec::Json, reply);
    let value: Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(&value, expected);
    assert!(!out.contains(&b'\n'));
}

#[test]
fn replies_of_the_transcript_are_written() {
    let connect = ConnectResult {
        client: "0f3c",
        version: "6.9.1 OSS",
        ping: 25,
        pong: true,
        expiry: ExpiryInfo {
            expires: true,
            ttl: 3600,
        },
        ..ConnectResult::default()
    };
    let missed = [Publication {
        data: br#"{"n":5}"#,
        offset: 5,
        ..Publication::default()
    }];
    let subscribe = SubscribeResult {
        recoverable: true,
        epoch: "hQzX",
        publications: &missed,
        recovered: true,
        offset: 4,
        positioned: true,
        was_recovering: true,
        ..SubscribeResult::default()
    };
    let publication = Publication {
        data: br#"{"n":6}"#,
        offset: 6,
        info: Some(ClientInfo {
            user: "42",
            client: "9aa1",
            ..ClientInfo::default()
        }),
        ..Publication::default()
    };
    let push = Push::new("chat:a", PushEvent::Publication(publication));
    for (reply, expected) in [
        (
            Reply::Result {
                id: 1,
                result: CommandResult::Connect(connect),
            },
            json!({"id":1,"connect":{"client":"0f3c","version":"6.9.1 OSS","ping":25,"pong":true,"expires":true,"ttl":3600}}),
        ),
        (
            Reply::Result {
                id: 2,
                result: CommandResult::Subscribe(subscribe),
            },
            json!({"id":2,"subscribe":{"recoverable":true,"epoch":"hQzX","publications":[{"data":{"n":5},"offset":5}],"recovered":true,"offset":4,"positioned":true,"was_recovering":true}}),
        ),
        (
            Reply::Push(push),
            json!({"push":{"channel":"chat:a","pub":{"data":{"n":6},"offset":6,"info":{"user":"42","client":"9aa1"}}}}),
        ),
        (Reply::Ping, json!({})),
    ] {
        assert_json(&reply, &expected);
    }
}

#[test]
fn results_are_there_even_if_they_are_empty() {
    let empty = ExpiryInfo::default();
    for (result, expected) in [
        (CommandResult::Unsubscribe, json!({"id":3,"unsubscribe":{}})),
        (CommandResult::Publish, json!({"id":3,"publish":{}})),
        (CommandResult::Ping, json!({"id":3,"ping":{}})),
        (CommandResult::Rpc(b""), json!({"id":3,"rpc":{}})),
        (CommandResult::Refresh(empty), json!({"id":3,"refresh":{}})),
        (
            CommandResult::Presence(&[]),
            json!({"id":3,"presence":{"presence":{}}}),
        ),
        (
            CommandResult::PresenceStats(PresenceStats::default()),
            json!({"id":3,"presence_stats":{"num_clients":0,"num_users":0}}),
        ),
        (
            CommandResult::History(HistoryResult::default()),
            json!({"id":3,"history":{"publications":[],"epoch":"","offset":0}}),
        ),
    ] {
        let reply = Reply::Result { id: 3, result };
        assert_json(&reply, &expected);
        // An id, and a field without content but with a tag.
        let bytes = encode(ClientCodec::Protobuf, &reply);
        assert_eq!(
            (&bytes[..3], bytes[4], bytes.len()),
            (&b"\x04\x08\x03"[..], 0, 5)
        );
    }
    assert_eq!(encode(ClientCodec::Protobuf, &Reply::Ping), b"\x00");
}

#[test]
fn presence_has_a_user_even_for_anonymous_clients() {
    let clients = [(
        "9aa1",
        ClientInfo {
            client: "9aa1",
            ..ClientInfo::default()
        },
    )];
    let reply = Reply::Result {
        id: 3,
        result: CommandResult::Presence(&clients),
    };
    let expected = json!({"id":3,"presence":{"presence":{"9aa1":{"user":"","client":"9aa1"}}}});
    assert_json(&reply, &expected);
}

#[test]
fn errors_have_their_texts() {
    assert_json(
        &Reply::error(4, ErrorCode::TokenExpired),
        &json!({"id":4,"error":{"code":109,"message":"token expired"}}),
    );
    assert_json(
        &Reply::error(4, ErrorCode::Internal),
        &json!({"id":4,"error":{"code":100,"message":"internal server error","temporary":true}}),
    );
    assert_eq!(
        encode(
            ClientCodec::Protobuf,
            &Reply::error(4, ErrorCode::TokenExpired)
        ),
        [
            &b"\x15\x08\x04\x12\x11\x08\x6D\x12\x0D"[..],
            b"token expired"
        ]
        .concat()
    );
}

#[test]
fn pushes_have_their_codes() {
    let push = |channel, event| Reply::Push(Push::new(channel, event));
    assert_json(
        &push(
            "a",
            PushEvent::Unsubscribe(UnsubscribeCode::InsufficientState.into()),
        ),
        &json!({"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}),
    );
    assert_json(
        &push(
            "",
            PushEvent::Disconnect(DisconnectCode::ForceDisconnect.into()),
        ),
        &json!({"push":{"disconnect":{"code":3503,"reason":"force disconnect"}}}),
    );
    assert_json(
        &push("", PushEvent::Disconnect(DisconnectCode::Shutdown.into())),
        &json!({"push":{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}}),
    );
}

#[test]
fn several_replies_share_a_message() {
    let replies = [
        Reply::Result {
            id: 1,
            result: CommandResult::Publish,
        },
        Reply::Ping,
        Reply::error(2, ErrorCode::BadRequest),
    ];
    let mut out = b"before".to_vec();
    let mut batch = ReplyBatch::new(ClientCodec::Json, &mut out);
    assert!(batch.is_empty());
    for reply in &replies {
        batch.push(reply).expect("no payloads");
    }
    assert!(!batch.is_empty());
    let expected = "before{\"id\":1,\"publish\":{}}\n{}\n{\"id\":2,\"error\":{\"code\":107,\"message\":\"bad request\"}}";
    assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);

    let mut out = Vec::new();
    let mut batch = ReplyBatch::new(ClientCodec::Protobuf, &mut out);
    for reply in &replies {
        batch.push(reply).expect("no payloads");
    }
    let parts: Vec<u8> = replies
        .iter()
        .flat_map(|reply| encode(ClientCodec::Protobuf, reply))
        .collect();
    assert_eq!(out, parts);
}

#[test]
fn a_payload_that_is_not_json_leaves_the_message_as_it_was() {
    let boom = Reply::Result {
        id: 1,
        result: CommandResult::Rpc(b"boom"),
    };
    let mut out = Vec::new();
    let mut batch = ReplyBatch::new(ClientCodec::Json, &mut out);
    assert_eq!(batch.push(&boom), Err(InvalidPayload));
    assert!(batch.is_empty());
    batch.push(&Reply::Ping).expect("no payload");
    assert_eq!(batch.push(&boom), Err(InvalidPayload));
    assert_eq!(out, b"{}");
    assert_eq!(
        InvalidPayload.disconnect_code(),
        DisconnectCode::InappropriateProtocol
    );
    assert_eq!(
        encode(ClientCodec::Protobuf, &boom),
        b"\x0A\x08\x01\x6A\x06\x0A\x04boom"
    );
}

#[test]
fn a_publication_is_encoded_as_its_push_is() {
    let publication = Publication {
        data: b"{\"a\":\n1}",
        offset: 7,
        tags: &[("lang", "de"), ("\"", "\n")],
        ..Publication::default()
    };
    for codec in [ClientCodec::Json, ClientCodec::Protobuf] {
        let mut out = Vec::new();
        encode_publication(codec, "chat:ü", &publication, &mut out).expect("JSON");
        let push = Push::new("chat:ü", PushEvent::Publication(publication));
        assert_eq!(out, encode(codec, &Reply::Push(push)));
    }
    let mut out = Vec::new();
    let binary = Publication {
        data: b"\xFF",
        ..publication
    };
    let result = encode_publication(ClientCodec::Json, "c", &binary, &mut out);
    assert_eq!((result, out.len()), (Err(InvalidPayload), 0));
}
