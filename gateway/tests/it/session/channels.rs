//! Subscriptions, publications and presence.

use serde_json::{Value, json};
use stentor_core::{ConnId, OverflowPolicy};
use stentor_gateway::namespaces::{
    ChannelOptions, ChannelSettings, PersonalChannel, PublicationDataFormat,
};

use super::server::Server;
use super::{insecure, settings, token};

fn open() -> Server {
    Server::new(insecure(ChannelOptions {
        presence: true,
        ..ChannelOptions::default()
    }))
}

fn error(server: &mut Server, id: ConnId, text: &str) -> Value {
    let replies = server.ask(id, text);
    assert_eq!(replies.len(), 1, "{text}: {replies:?}");
    replies[0]["error"]["code"].clone()
}

fn subscribe(server: &mut Server, id: ConnId, channel: &str) -> Value {
    let text = format!(r#"{{"id":9,"subscribe":{{"channel":"{channel}"}}}}"#);
    let replies = server.ask(id, &text);
    assert_eq!(replies[0]["id"], 9, "{replies:?}");
    replies[0]["subscribe"].clone()
}

#[test]
fn a_subscriber_gets_what_is_published() {
    let mut server = open();
    let (alice, alice_id) = server.connected();
    let (bob, _) = server.connected();
    assert_eq!(subscribe(&mut server, alice, "chat"), json!({}));
    assert_eq!(subscribe(&mut server, bob, "chat"), json!({}));
    server.send(
        alice,
        r#"{"id":3,"publish":{"channel":"chat","data":{"text" : "hello\n"}}}"#,
    );
    let push = format!(
        r#"{{"push":{{"channel":"chat","pub":{{"data":{{"text" : "hello\n"}},"info":{{"user":"","client":"{alice_id}"}}}}}}}}"#
    );
    assert_eq!(server.texts(bob), [&*push]);
    let mut texts = server.texts(alice);
    texts.sort();
    assert_eq!(texts, [r#"{"id":3,"publish":{}}"#, &*push]);
    assert_eq!(server.stats().channels().publications, 1);
    assert_eq!(server.stats().channels().subscribes, 2);
}

#[test]
fn whitespace_between_lines_of_a_payload_is_no_line() {
    let mut server = open();
    let (id, _) = server.connected();
    subscribe(&mut server, id, "chat");
    let pretty = protobuf_client(&mut server);
    server.send_binary(
        pretty,
        b"\x15\x08\x02\x3A\x11\x0A\x04chat\x12\x09{\n\"a\":\n1}",
    );
    let texts = server.texts(id);
    assert_eq!(texts.len(), 1);
    assert!(!texts[0].contains('\n'));
    let value: Value = serde_json::from_str(&texts[0]).expect("JSON");
    assert_eq!(value["push"]["pub"]["data"], json!({"a": 1}));
}

fn protobuf_client(server: &mut Server) -> ConnId {
    let id = server.protobuf();
    server.send_binary(id, b"\x04\x08\x01\x22\x00");
    assert_eq!(server.binaries(id).len(), 1);
    id
}

#[test]
fn connect_and_subscribe_in_one_message_are_answered_in_order() {
    let mut server = open();
    let id = server.json();
    let replies = server.ask(
        id,
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":1}}",
    );
    let ids: Vec<_> = replies.iter().map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids[..2], [1, 2]);
    assert_eq!(replies.len(), 4);
    let publication = replies
        .iter()
        .position(|reply| reply["push"]["pub"]["data"] == 1);
    assert!(publication.is_some_and(|place| place >= 2), "{replies:?}");
}

#[test]
fn a_channel_is_subscribed_to_once() {
    let mut server = open();
    let (id, _) = server.connected();
    subscribe(&mut server, id, "a");
    let again = r#"{"id":3,"subscribe":{"channel":"a"}}"#;
    assert_eq!(error(&mut server, id, again), 105);
    // Also while the first is under way.
    let twice = "{\"id\":4,\"subscribe\":{\"channel\":\"b\"}}\n{\"id\":5,\"subscribe\":{\"channel\":\"b\"}}";
    let mut replies = server.ask(id, twice);
    replies.sort_by_key(|reply| reply["id"].as_u64());
    assert_eq!(replies[0], json!({"id": 4, "subscribe": {}}));
    assert_eq!(replies[1]["error"]["code"], 105);
}

#[test]
fn unsubscribe_ends_a_subscription_and_always_succeeds() {
    let mut server = open();
    let (id, _) = server.connected();
    let unsubscribe = r#"{"id":3,"unsubscribe":{"channel":"a"}}"#;
    let done = [json!({"id": 3, "unsubscribe": {}})];
    assert_eq!(server.ask(id, unsubscribe), done);
    subscribe(&mut server, id, "a");
    assert_eq!(server.ask(id, unsubscribe), done);
    let replies = server.ask(id, r#"{"id":4,"publish":{"channel":"a","data":1}}"#);
    assert_eq!(replies, [json!({"id": 4, "publish": {}})]);
    let stats = server.ask(id, r#"{"id":5,"presence_stats":{"channel":"a"}}"#);
    assert_eq!(
        stats,
        [json!({"id": 5, "presence_stats": {"num_clients": 0, "num_users": 0}})]
    );
    subscribe(&mut server, id, "a");
}

#[test]
fn commands_of_one_message_take_effect_in_order() {
    let mut server = open();
    let (id, _) = server.connected();
    let commands = [
        r#"{"id":2,"subscribe":{"channel":"a"}}"#,
        r#"{"id":3,"unsubscribe":{"channel":"a"}}"#,
        r#"{"id":4,"publish":{"channel":"a","data":"unheard"}}"#,
        r#"{"id":5,"subscribe":{"channel":"a"}}"#,
        r#"{"id":6,"publish":{"channel":"a","data":"heard"}}"#,
        r#"{"id":7,"presence_stats":{"channel":"a"}}"#,
    ];
    let replies = server.ask(id, &commands.join("\n"));
    let ids: Vec<_> = replies
        .iter()
        .filter_map(|reply| reply["id"].as_u64())
        .collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [2, 3, 4, 5, 6, 7]);
    assert!(ids.iter().position(|id| *id == 2) < ids.iter().position(|id| *id == 3));
    let pushes: Vec<_> = replies
        .iter()
        .filter_map(|reply| reply.get("push"))
        .collect();
    assert_eq!(pushes.len(), 1, "{replies:?}");
    assert_eq!(pushes[0]["pub"]["data"], "heard");
    let stats = replies
        .iter()
        .find(|reply| reply["id"] == 7)
        .expect("a reply");
    assert_eq!(stats["presence_stats"]["num_clients"], 1);
}

#[test]
fn names_are_checked_in_the_order_of_the_protocol() {
    let mut settings = insecure(ChannelOptions::default());
    settings.client.channel_limit = 2;
    let mut server = Server::new(settings);
    let (id, _) = server.connected();
    let long = "x".repeat(256);
    let text = |channel: &str| format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#);
    for (channel, code) in [(&*long, 107), ("other:a", 102), ("ü", 107), ("$a", 103)] {
        assert_eq!(error(&mut server, id, &text(channel)), code, "{channel}");
    }
    subscribe(&mut server, id, "a");
    subscribe(&mut server, id, &long[1..]);
    for (channel, code) in [
        ("a", 105),
        (&*long, 107),
        ("other:a", 106),
        ("ü", 106),
        ("b", 106),
    ] {
        assert_eq!(error(&mut server, id, &text(channel)), code, "{channel}");
    }
    for (field, code) in [
        (r#""type":1"#, 103),
        (r#""tf":{"key":"a","cmp":"ex"}"#, 107),
    ] {
        let mut server = open();
        let (id, _) = server.connected();
        let text = format!(r#"{{"id":2,"subscribe":{{"channel":"a",{field}}}}}"#);
        assert_eq!(error(&mut server, id, &text), code, "{field}");
    }
}

#[test]
fn permissions_decide_without_insecure() {
    let options = ChannelOptions {
        presence: true,
        allow_subscribe_for_client: true,
        allow_publish_for_subscriber: true,
        allow_presence_for_subscriber: true,
        ..ChannelOptions::default()
    };
    let mut server = Server::new(settings(ChannelSettings {
        without_namespace: ChannelOptions::default(),
        namespaces: vec![("chat".to_owned(), options)],
        ..ChannelSettings::default()
    }));
    let (id, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
    let publish = r#"{"id":2,"publish":{"channel":"chat:a","data":1}}"#;
    let presence = r#"{"id":2,"presence_stats":{"channel":"chat:a"}}"#;
    let history = r#"{"id":2,"history":{"channel":"chat:a"}}"#;
    assert_eq!(error(&mut server, id, publish), 103);
    assert_eq!(error(&mut server, id, presence), 103);
    assert_eq!(error(&mut server, id, history), 108);
    subscribe(&mut server, id, "chat:a");
    server.send(id, publish);
    assert_eq!(server.texts(id).len(), 2);
    let replies = server.ask(id, presence);
    assert_eq!(replies[0]["presence_stats"]["num_users"], 1);
    for text in [
        r#"{"id":2,"subscribe":{"channel":"a"}}"#,
        r#"{"id":2,"publish":{"channel":"a","data":1}}"#,
    ] {
        assert_eq!(error(&mut server, id, text), 103, "{text}");
    }
    for text in [
        r#"{"id":2,"presence":{"channel":"a"}}"#,
        r#"{"id":2,"presence_stats":{"channel":"a"}}"#,
    ] {
        assert_eq!(error(&mut server, id, text), 108, "{text}");
    }
    let anonymous = server.connected_with(&token("{}")).0;
    let text = r#"{"id":2,"subscribe":{"channel":"chat:a"}}"#;
    assert_eq!(error(&mut server, anonymous, text), 103);
}

#[test]
fn what_is_published_has_the_format_of_the_namespace() {
    let with = |publication_data_format| {
        let options = ChannelOptions {
            publication_data_format,
            ..ChannelOptions::default()
        };
        Server::new(insecure(options))
    };
    let publish = |server: &mut Server, data: &str| {
        let (id, _) = server.connected();
        let text = format!(r#"{{"id":2,"publish":{{"channel":"a"{data}}}}}"#);
        server.ask(id, &text)[0]["error"]["code"].as_u64()
    };
    let mut any = with(PublicationDataFormat::Any);
    assert_eq!(publish(&mut any, ""), Some(107));
    assert_eq!(publish(&mut any, r#","data":null"#), None);
    assert_eq!(publish(&mut any, r#","data":1,"type":1"#), Some(108));
    let mut object = with(PublicationDataFormat::JsonObject);
    assert_eq!(publish(&mut object, r#","data":5"#), Some(107));
    assert_eq!(publish(&mut object, r#","data":{}"#), None);
}

#[test]
fn a_namespace_may_leave_out_the_publisher() {
    let mut server = Server::new(insecure(ChannelOptions {
        exclude_publisher: true,
        ..ChannelOptions::default()
    }));
    let (alice, _) = server.connected();
    let (bob, _) = server.connected();
    subscribe(&mut server, alice, "a");
    subscribe(&mut server, bob, "a");
    let replies = server.ask(alice, r#"{"id":3,"publish":{"channel":"a","data":1}}"#);
    assert_eq!(replies, [json!({"id": 3, "publish": {}})]);
    assert_eq!(server.values(bob).len(), 1);
}

#[test]
fn presence_shows_the_living() {
    let mut server = open();
    let info = |user: &str, info: &str| token(&format!(r#"{{"sub":"{user}","info":{info}}}"#));
    let (alice, alice_id) = server.connected_with(&info("1", r#"{"name":"a"}"#));
    let (bob, bob_id) = server.connected_with(&info("2", "null"));
    let (phone, phone_id) = server.connected_with(&info("2", "null"));
    for id in [alice, bob, phone] {
        subscribe(&mut server, id, "a");
    }
    let presence = r#"{"id":3,"presence":{"channel":"a"}}"#;
    let stats = r#"{"id":4,"presence_stats":{"channel":"a"}}"#;
    let expected = json!({
        &alice_id: {"user": "1", "client": alice_id, "conn_info": {"name": "a"}},
        &bob_id: {"user": "2", "client": bob_id, "conn_info": null},
        &phone_id: {"user": "2", "client": phone_id, "conn_info": null},
    });
    let replies = server.ask(alice, presence);
    assert_eq!(
        replies,
        [json!({"id": 3, "presence": {"presence": expected}})]
    );
    let replies = server.ask(alice, stats);
    let count = json!({"num_clients": 3, "num_users": 2});
    assert_eq!(replies, [json!({"id": 4, "presence_stats": count})]);
    server.leave(bob);
    server.send(phone, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    let replies = server.ask(alice, stats);
    let count = json!({"num_clients": 1, "num_users": 1});
    assert_eq!(replies, [json!({"id": 4, "presence_stats": count})]);
    let replies = server.ask(alice, r#"{"id":3,"presence":{"channel":"nobody"}}"#);
    assert_eq!(replies, [json!({"id": 3, "presence": {"presence": {}}})]);
}

#[test]
fn joins_and_leaves_are_pushed_to_those_who_may_have_them() {
    let mut server = Server::new(insecure(ChannelOptions {
        presence: true,
        join_leave: true,
        ..ChannelOptions::default()
    }));
    let (alice, alice_id) = server.connected();
    let (bob, bob_id) = server.connected();
    let replies = server.ask(
        alice,
        r#"{"id":2,"subscribe":{"channel":"a","join_leave":true}}"#,
    );
    let push = |event: &str, client: &str| json!({"push": {"channel": "a", event: {"info": {"user": "", "client": client}}}});
    assert_eq!(
        replies,
        [json!({"id": 2, "subscribe": {}}), push("join", &alice_id)]
    );
    // Who does not ask does not get them.
    let replies = server.ask(bob, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    assert_eq!(replies, [json!({"id": 2, "subscribe": {}})]);
    assert_eq!(server.values(alice), [push("join", &bob_id)]);
    server.send(bob, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    assert_eq!(server.values(alice), [push("leave", &bob_id)]);
    server.values(bob);
    subscribe(&mut server, bob, "a");
    server.values(alice);
    server.leave(bob);
    assert_eq!(server.values(alice), [push("leave", &bob_id)]);
}

#[test]
fn a_namespace_may_push_joins_to_everybody() {
    let mut server = Server::new(insecure(ChannelOptions {
        join_leave: true,
        force_push_join_leave: true,
        ..ChannelOptions::default()
    }));
    let (alice, alice_id) = server.connected();
    let replies = server.ask(alice, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    assert_eq!(replies[1]["push"]["join"]["info"]["client"], *alice_id);
    // The channel has no presence all the same.
    let text = r#"{"id":3,"presence":{"channel":"a"}}"#;
    assert_eq!(error(&mut server, alice, text), 108);
}

#[test]
fn a_user_has_a_channel_of_their_own() {
    let mut server = Server::new(settings(ChannelSettings {
        without_namespace: ChannelOptions {
            presence: true,
            join_leave: true,
            force_push_join_leave: true,
            ..ChannelOptions::default()
        },
        personal_channel: PersonalChannel {
            enabled: true,
            ..PersonalChannel::default()
        },
        ..ChannelSettings::default()
    }));
    let id = server.json();
    let connect = format!(
        r#"{{"id":1,"connect":{{"token":"{}"}}}}"#,
        token(r#"{"sub":"42"}"#)
    );
    let replies = server.ask(id, &connect);
    assert_eq!(replies[0]["connect"]["subs"], json!({"#42": {}}));
    assert_eq!(replies[1]["push"]["channel"], "#42");
    assert_eq!(replies[1]["push"]["join"]["info"]["user"], "42");
    // It is a subscription like others.
    let text = r##"{"id":2,"subscribe":{"channel":"#42"}}"##;
    assert_eq!(error(&mut server, id, text), 105);
    // Anonymous users have none.
    let id = server.json();
    let connect = format!(r#"{{"id":1,"connect":{{"token":"{}"}}}}"#, token("{}"));
    let replies = server.ask(id, &connect);
    assert_eq!(replies[0]["connect"].get("subs"), None);
}

#[test]
fn a_user_may_have_one_connection_at_a_time() {
    let mut server = Server::new(settings(ChannelSettings {
        without_namespace: ChannelOptions {
            presence: true,
            ..ChannelOptions::default()
        },
        personal_channel: PersonalChannel {
            enabled: true,
            single_connection: true,
            ..PersonalChannel::default()
        },
        ..ChannelSettings::default()
    }));
    let (first, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
    let (other, _) = server.connected_with(&token(r#"{"sub":"43"}"#));
    let (second, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
    let closed = (3504, "connection limit".to_owned());
    assert_eq!(server.closed(first), Some(closed.clone()));
    let (third, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
    assert_eq!(server.closed(second), Some(closed));
    assert!(server.texts(third).is_empty());
    assert!(server.texts(other).is_empty());
}

#[test]
fn a_client_that_reads_too_slowly_is_closed_with_3008() {
    let mut settings = insecure(ChannelOptions::default());
    settings.client.queue_max_size = 10_000;
    let mut server = Server::new(settings);
    let (slow, _) = server.connected();
    let (other, _) = server.connected();
    subscribe(&mut server, slow, "a");
    subscribe(&mut server, other, "a");
    server.set_stuck(slow, true);
    for _ in 0..2_000 {
        let replies = server.ask(other, r#"{"id":3,"publish":{"channel":"a","data":1}}"#);
        assert_eq!(replies.len(), 2);
    }
    server.set_stuck(slow, false);
    assert_eq!(server.closed(slow), Some((3008, "slow".to_owned())));
}

#[test]
fn a_namespace_may_drop_what_a_slow_client_does_not_take() {
    let mut settings = insecure(ChannelOptions {
        overflow: Some(OverflowPolicy::DropNew),
        ..ChannelOptions::default()
    });
    settings.client.queue_max_size = 10_000;
    let mut server = Server::new(settings);
    let (slow, _) = server.connected();
    let (other, _) = server.connected();
    subscribe(&mut server, slow, "a");
    server.set_stuck(slow, true);
    for _ in 0..2_000 {
        server.ask(other, r#"{"id":3,"publish":{"channel":"a","data":1}}"#);
    }
    // Replies are not dropped.
    server.send(slow, r#"{"id":4,"unsubscribe":{"channel":"b"}}"#);
    server.set_stuck(slow, false);
    let values = server.values(slow);
    assert!((1..2_000).contains(&values.len()), "{}", values.len());
    assert!(values.contains(&json!({"id": 4, "unsubscribe": {}})));
}
