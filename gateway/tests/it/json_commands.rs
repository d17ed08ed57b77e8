//! Commands in JSON: transcripts, and what is refused.

use std::borrow::Cow;

use stentor_gateway::client_protocol::{
    ChannelRequest, ClientCodec, Command, CommandRequest, ConnectRequest, DecodeError,
    DisconnectCode, FilterNode, HistoryRequest, MAX_FILTER_DEPTH, PublishRequest, RefreshRequest,
    RpcRequest, SendRequest, StreamPosition, SubRefreshRequest, SubscribeRequest,
};

fn decode(message: &str) -> Result<Vec<Command<'_>>, DecodeError> {
    ClientCodec::Json.decode(message.as_bytes()).collect()
}

/// The only request of a message.
fn request(message: &str) -> CommandRequest<'_> {
    let mut commands = decode(message).expect("a command");
    assert_eq!(commands.len(), 1, "{message}");
    commands.remove(0).request
}

#[test]
fn the_first_message_of_an_sdk_has_connect_and_subscribe() {
    let message = concat!(
        r#"{"id":1,"connect":{"token":"eyJ","name":"js"}}"#,
        "\n",
        r#"{"id":2,"subscribe":{"channel":"chat:a","recover":true,"offset":4,"epoch":"hQzX"}}"#,
    );
    let connect = Command {
        id: 1,
        request: CommandRequest::Connect(ConnectRequest {
            token: "eyJ".into(),
            name: "js".into(),
            ..ConnectRequest::default()
        }),
    };
    let subscribe = Command {
        id: 2,
        request: CommandRequest::Subscribe(SubscribeRequest {
            channel: "chat:a".into(),
            recover: true,
            offset: 4,
            epoch: "hQzX".into(),
            ..SubscribeRequest::default()
        }),
    };
    let commands = vec![connect, subscribe];
    assert_eq!(decode(message), Ok(commands.clone()));
    // A newline at the end is allowed.
    assert_eq!(decode(&format!("{message}\n")), Ok(commands));
}

#[test]
fn every_request_is_known() {
    let channel = || ChannelRequest {
        channel: "c".into(),
    };
    for (message, expected) in [
        (
            r#"{"id":1,"connect":{}}"#,
            CommandRequest::Connect(ConnectRequest::default()),
        ),
        (
            r#"{"id":1,"subscribe":{}}"#,
            CommandRequest::Subscribe(SubscribeRequest::default()),
        ),
        (
            r#"{"id":1,"unsubscribe":{"channel":"c"}}"#,
            CommandRequest::Unsubscribe(channel()),
        ),
        (
            r#"{"id":1,"presence":{"channel":"c"}}"#,
            CommandRequest::Presence(channel()),
        ),
        (
            r#"{"id":1,"presence_stats":{"channel":"c"}}"#,
            CommandRequest::PresenceStats(channel()),
        ),
        (r#"{"id":1,"ping":{}}"#, CommandRequest::Ping),
        (
            r#"{"send":{"data":[1, 2]}}"#,
            CommandRequest::Send(SendRequest { data: b"[1, 2]" }),
        ),
        (
            r#"{"id":1,"publish":{"channel":"c","data":"x"}}"#,
            CommandRequest::Publish(PublishRequest {
                channel: "c".into(),
                data: br#""x""#,
                ..PublishRequest::default()
            }),
        ),
        (
            r#"{"id":1,"history":{"channel":"c","limit":-1,"since":{"offset":18446744073709551615,"epoch":"e"},"reverse":true}}"#,
            CommandRequest::History(HistoryRequest {
                channel: "c".into(),
                limit: -1,
                since: Some(StreamPosition {
                    offset: u64::MAX,
                    epoch: "e".into(),
                }),
                reverse: true,
            }),
        ),
        (
            r#"{"id":1,"rpc":{"method":"m","data":{"a":1}}}"#,
            CommandRequest::Rpc(RpcRequest {
                method: "m".into(),
                data: br#"{"a":1}"#,
            }),
        ),
        (
            r#"{"id":1,"refresh":{"token":"t"}}"#,
            CommandRequest::Refresh(RefreshRequest { token: "t".into() }),
        ),
        (
            r#"{"id":1,"sub_refresh":{"channel":"c","token":"t"}}"#,
            CommandRequest::SubRefresh(SubRefreshRequest {
                channel: "c".into(),
                token: "t".into(),
                ..SubRefreshRequest::default()
            }),
        ),
    ] {
        assert_eq!(request(message), expected, "{message}");
    }
}

#[test]
fn maps_and_filters_are_read() {
    let message = r#"{"id":3,"connect":{"subs":{"a":{"offset":7,"epoch":"x","recover":true},"b":{}},"headers":{"X-A":"1"},"data":{"k":"v"}}}"#;
    let CommandRequest::Connect(connect) = request(message) else {
        panic!("connect");
    };
    assert_eq!(connect.subs.len(), 2);
    assert_eq!(
        (connect.subs["a"].offset, connect.subs["a"].recover),
        (7, true)
    );
    assert_eq!(connect.headers["X-A"], "1");
    assert_eq!(connect.data, br#"{"k":"v"}"#);
    let message = r#"{"id":3,"subscribe":{"channel":"c","flag":2,"tf":{"op":"and","nodes":[{"key":"a","cmp":"in","vals":["1","2"]},{"op":"not","nodes":[{"key":"b","cmp":"ex"}]}]}}}"#;
    let CommandRequest::Subscribe(subscribe) = request(message) else {
        panic!("subscribe");
    };
    assert!(subscribe.rejects_unrecovered());
    let filter = subscribe.tf.expect("a filter");
    assert_eq!((filter.op.as_ref(), filter.nodes.len()), ("and", 2));
    assert_eq!(filter.nodes[0].vals, ["1", "2"]);
    assert_eq!(filter.nodes[1].nodes[0].cmp, "ex");
}

#[test]
fn a_command_without_an_id_is_a_pong_unless_it_is_send() {
    for message in [
        "{}",
        r#"{"id":0}"#,
        r#"{"connect":{},"publish":{}}"#,
        r#"{"id":null}"#,
    ] {
        let pong = Command {
            id: 0,
            request: CommandRequest::Pong,
        };
        assert_eq!(decode(message), Ok(vec![pong]), "{message}");
    }
    let send = CommandRequest::Send(SendRequest { data: b"1" });
    assert_eq!(request(r#"{"send":{"data":1},"connect":{}}"#), send);
    assert_eq!(request(r#"{"connect":{},"send":{"data":1}}"#), send);
}

#[test]
fn unknown_keys_and_null_count_as_absent() {
    let message = r#"{"id":1,"new":[{}],"connect":null,"subscribe":{"channel":null,"tf":null,"recover":null,"x":1e999}}"#;
    assert_eq!(
        request(message),
        CommandRequest::Subscribe(SubscribeRequest::default())
    );
    // But null is a payload.
    let message = r#"{"id":1,"rpc":{"data":null}}"#;
    assert_eq!(
        request(message),
        CommandRequest::Rpc(RpcRequest {
            data: b"null",
            method: "".into()
        })
    );
}

#[test]
fn texts_are_borrowed_and_payloads_are_not_touched() {
    let message =
        r#"{"id":1,"publish":{"channel":"a","data": {"b" : "\u0041\ud800", "n":1e400} }}"#;
    let CommandRequest::Publish(publish) = request(message) else {
        panic!("publish");
    };
    assert!(matches!(publish.channel, Cow::Borrowed("a")));
    assert_eq!(publish.data, br#"{"b" : "\u0041\ud800", "n":1e400}"#);
    let CommandRequest::Publish(publish) = request(r#"{"id":1,"publish":{"channel":"\u0041\n"}}"#)
    else {
        panic!("publish");
    };
    assert_eq!(publish.channel, "A\n");
}

#[test]
fn a_message_without_commands_is_refused() {
    assert_eq!(decode(""), Err(DecodeError::EmptyMessage));
    for message in ["\n", "{}\n\n", "\n{}", "{}\n\n{}", " ", "{}\n "] {
        assert_eq!(
            decode(message),
            Err(DecodeError::InvalidJson),
            "{message:?}"
        );
    }
}

#[test]
fn malformed_commands_are_refused() {
    for (message, error) in [
        ("{", DecodeError::InvalidJson),
        ("{}{}", DecodeError::InvalidJson),
        (r#"{"id":1"#, DecodeError::InvalidJson),
        ("{\"id\":1,\n\"connect\":{}}", DecodeError::InvalidJson),
        (r#"{"id":1,"rpc":{"data":{]}}"#, DecodeError::InvalidJson),
        (r#"{"id":1,"rpc":{"data":}}"#, DecodeError::InvalidJson),
        ("[]", DecodeError::InvalidField),
        ("null", DecodeError::InvalidField),
        (r#"{"id":-1}"#, DecodeError::InvalidField),
        (r#"{"id":4294967296}"#, DecodeError::InvalidField),
        (r#"{"id":1.5}"#, DecodeError::InvalidField),
        (r#"{"id":"1","ping":{}}"#, DecodeError::InvalidField),
        (r#"{"id":1,"connect":[1]}"#, DecodeError::InvalidField),
        // The fields in order, as serde would take them.
        (r#"{"id":1,"refresh":["t"]}"#, DecodeError::InvalidField),
        (r#"{"id":1,"ping":[]}"#, DecodeError::InvalidField),
        (
            r#"{"id":1,"history":{"since":[1,"e"]}}"#,
            DecodeError::InvalidField,
        ),
        (
            r#"{"id":1,"subscribe":{"tf":{"nodes":[[]]}}}"#,
            DecodeError::InvalidField,
        ),
        (
            r#"{"id":1,"connect":{"subs":{"a":[]}}}"#,
            DecodeError::InvalidField,
        ),
        (
            r#"{"id":1,"connect":{"token":5}}"#,
            DecodeError::InvalidField,
        ),
        (
            r#"{"id":1,"subscribe":{"recover":1}}"#,
            DecodeError::InvalidField,
        ),
        (
            r#"{"id":1,"subscribe":{"offset":-1}}"#,
            DecodeError::InvalidField,
        ),
        (
            r#"{"id":1,"subscribe":{"offset":18446744073709551616}}"#,
            DecodeError::InvalidField,
        ),
        (
            r#"{"id":1,"subscribe":{"channel":"a","channel":"b"}}"#,
            DecodeError::InvalidField,
        ),
        (r#"{"id":1,"id":1,"ping":{}}"#, DecodeError::InvalidField),
        (
            r#"{"id":1,"ping":{},"ping":null}"#,
            DecodeError::InvalidField,
        ),
        (r#"{"id":1}"#, DecodeError::NoRequest),
        (r#"{"id":1,"unknown":{}}"#, DecodeError::NoRequest),
        (r#"{"id":1,"connect":null}"#, DecodeError::NoRequest),
        (
            r#"{"id":1,"connect":{},"subscribe":{}}"#,
            DecodeError::SeveralRequests,
        ),
    ] {
        assert_eq!(decode(message), Err(error), "{message}");
        assert_eq!(error.disconnect_code(), DisconnectCode::BadRequest);
    }
}

#[test]
fn invalid_utf8_is_refused_in_texts_and_payloads() {
    for message in [
        &b"{\"id\":1,\"publish\":{\"channel\":\"\xFF\"}}"[..],
        b"{\"id\":1,\"publish\":{\"data\":\"\xFF\"}}",
    ] {
        let mut commands = ClientCodec::Json.decode(message);
        assert!(matches!(commands.next(), Some(Err(_))), "{message:?}");
        assert!(commands.next().is_none());
    }
}

#[test]
fn commands_before_a_malformed_one_are_there() {
    let mut commands = ClientCodec::Json.decode(b"{}\n{\"id\":2,\"ping\":{}}\n{\n{}");
    assert_eq!(
        commands
            .next()
            .map(|command| command.map(|command| command.id)),
        Some(Ok(0))
    );
    assert_eq!(
        commands
            .next()
            .map(|command| command.map(|command| command.id)),
        Some(Ok(2))
    );
    assert_eq!(commands.next(), Some(Err(DecodeError::InvalidJson)));
    assert_eq!(commands.next(), None);
    assert_eq!(commands.next(), None);
}

#[test]
fn filters_have_a_bounded_depth() {
    let filter = |depth: usize| {
        let open = r#"{"op":"not","nodes":["#.repeat(depth - 1);
        let close = "]}".repeat(depth - 1);
        format!(r#"{{"id":1,"subscribe":{{"tf":{open}{{"key":"k","cmp":"ex"}}{close}}}}}"#)
    };
    let deepest = filter(MAX_FILTER_DEPTH);
    let CommandRequest::Subscribe(subscribe) = request(&deepest) else {
        panic!("subscribe");
    };
    let mut depth = 0;
    let mut node: Option<&FilterNode<'_>> = subscribe.tf.as_ref();
    while let Some(filter) = node {
        depth += 1;
        node = filter.nodes.first();
    }
    assert_eq!(depth, MAX_FILTER_DEPTH);
    let deeper = filter(MAX_FILTER_DEPTH + 1);
    assert_eq!(decode(&deeper), Err(DecodeError::FilterTooDeep));
    // So deep that serde_json gives up itself.
    assert!(decode(&filter(10_000)).is_err());
}

#[test]
fn tokens_are_not_shown() {
    let CommandRequest::Connect(connect) = request(r#"{"id":1,"connect":{"token":"secret"}}"#)
    else {
        panic!("connect");
    };
    assert_eq!(connect.token.as_str(), "secret");
    assert!(!format!("{connect:?}").contains("secret"));
}
