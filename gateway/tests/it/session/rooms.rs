//! The seed protocol: rooms are channels.

use std::time::Duration;

use serde_json::json;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};
use stentor_gateway::{NoRoomPolicy, Rooms};

use super::server::Server;
use super::{insecure, recoverable, settings};

fn open() -> Server {
    Server::new(insecure(ChannelOptions::default()))
}

#[test]
fn rooms_and_channels_of_one_name_are_one() {
    let mut server = open();
    let (sdk, client) = server.connected();
    let room = server.room_client();
    server.send(room, "join:chat");
    assert_eq!(server.texts(room), ["joined:chat"]);
    server.ask(sdk, r#"{"id":2,"subscribe":{"channel":"chat"}}"#);

    server.send(room, "msg:hello");
    assert_eq!(server.texts(room), ["hello"]);
    let push = |data| json!({"push": {"channel": "chat", "pub": {"data": data}}});
    assert_eq!(server.values(sdk), [push(json!("hello"))]);
    server.send(room, r#"msg:{"a":1}"#);
    assert_eq!(server.texts(room), [r#"{"a":1}"#]);
    assert_eq!(server.values(sdk), [push(json!({"a": 1}))]);
    server.send_binary(room, b"msg:\xFF\x00");
    assert_eq!(server.binaries(room), [b"\xFF\x00"]);
    assert_eq!(server.values(sdk), [push(json!("/wA="))]);

    server.send(
        sdk,
        r#"{"id":3,"publish":{"channel":"chat","data":{"b" : 2}}}"#,
    );
    assert_eq!(server.texts(room), [r#"{"b" : 2}"#]);
    let info = json!({"user": "", "client": client});
    let publication = json!({"data": {"b": 2}, "info": info});
    let push = json!({"push": {"channel": "chat", "pub": publication}});
    assert!(server.values(sdk).contains(&push));

    server.send(room, "leave:");
    assert_eq!(server.texts(room), ["left:chat"]);
    server.send(sdk, r#"{"id":3,"publish":{"channel":"chat","data":3}}"#);
    assert!(server.texts(room).is_empty());
}

#[test]
fn the_commands_are_those_of_the_rooms_application() {
    let mut server = open();
    let room = server.room_client();
    for (text, answers) in [
        ("hi", &["echo:hi"][..]),
        ("leave:", &["error:no_room"]),
        ("join:", &["error:bad_room"]),
        ("task:x", &["processed_by_7:x"]),
        ("join:a", &["joined:a"]),
        ("join:b", &["joined:b"]),
        ("task:x", &["processed_by_7:x", "room_broadcast:x"]),
        ("msg?:y", &["sent:1,1,0,0,0,0", "y"]),
    ] {
        server.send(room, text);
        let mut texts = server.texts(room);
        texts.sort();
        assert_eq!(texts, answers, "{text}");
    }
}

#[test]
fn a_room_is_in_the_namespace_of_the_seed_protocol() {
    let chat = ChannelOptions {
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        ..ChannelOptions::default()
    };
    let write = ChannelOptions {
        allow_publish_for_subscriber: true,
        allow_publish_for_anonymous: true,
        ..chat.clone()
    };
    let with = |namespace: &str| {
        let mut settings = settings(ChannelSettings {
            without_namespace: ChannelOptions::default(),
            namespaces: vec![
                ("chat".to_owned(), chat.clone()),
                ("write".to_owned(), write.clone()),
            ],
            ..ChannelSettings::default()
        });
        settings.seed_protocol.namespace = namespace.to_owned();
        let mut server = Server::new(settings);
        let room = server.room_client();
        (server, room)
    };
    let (mut server, room) = with("chat");
    server.send(room, "join:Zürich");
    assert_eq!(server.texts(room), ["joined:Zürich"]);
    server.send(room, "msg:x");
    assert_eq!(server.texts(room), ["error:bad_room"]);
    server.send(room, "join:write:x");
    assert_eq!(server.texts(room), ["joined:write:x"]);
    server.send(room, "leave:");
    assert_eq!(server.texts(room), ["left:write:x"]);

    let (mut server, room) = with("write");
    for text in ["join:a", "msg:x"] {
        server.send(room, text);
    }
    assert_eq!(server.texts(room), ["joined:a", "x"]);

    // Without a namespace, the names of namespaces lead nowhere.
    let (mut server, room) = with("");
    for text in [
        "join:a",
        "join:chat:a",
        "join:$chat:a",
        "join:other:a",
        "join:#1",
    ] {
        server.send(room, text);
        assert_eq!(server.texts(room), ["error:bad_room"], "{text}");
    }
}

#[test]
fn any_name_is_a_room_where_everything_is_allowed() {
    let mut server = open();
    let room = server.room_client();
    for name in ["a", "Zürich", "no:namespace", "a b", "#1"] {
        server.send(room, &format!("join:{name}"));
        assert_eq!(server.texts(room), [format!("joined:{name}")]);
    }
}

#[test]
fn what_is_said_in_a_room_with_history_is_kept() {
    let mut server = Server::new(insecure(recoverable(10)));
    let room = server.room_client();
    for text in ["join:a", "msg:one", "msg#key:two"] {
        server.send(room, text);
    }
    assert_eq!(server.texts(room), ["joined:a", "one", "two"]);
    let (id, _) = server.connected();
    let text = r#"{"id":2,"subscribe":{"channel":"a","recover":true}}"#;
    let result = &server.ask(id, text)[0]["subscribe"];
    let expected = json!([{"data": "one", "offset": 1}, {"data": "two", "offset": 2}]);
    assert_eq!(result["publications"], expected);
}

#[test]
fn room_clients_are_present_as_anonymous_users() {
    let mut server = Server::new(insecure(ChannelOptions {
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
        ..ChannelOptions::default()
    }));
    let (id, _) = server.connected();
    server.ask(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    let room = server.room_client();
    server.send(room, "join:a");
    assert_eq!(server.texts(room), ["joined:a"]);
    let join = server.values(id);
    assert_eq!(join[0]["push"]["join"]["info"]["user"], "");
    let replies = server.ask(id, r#"{"id":3,"presence_stats":{"channel":"a"}}"#);
    assert_eq!(replies[0]["presence_stats"]["num_clients"], 2);
    server.leave(room);
    assert_eq!(
        server.values(id)[0]["push"]["leave"],
        join[0]["push"]["join"]
    );
}

#[test]
fn a_message_to_everybody_is_a_message_push() {
    let mut settings = insecure(ChannelOptions::default());
    settings.seed_protocol.rooms = Rooms {
        no_room: NoRoomPolicy::Everyone,
        ..Rooms::default()
    };
    let mut server = Server::new(settings);
    let (id, _) = server.connected();
    let room = server.room_client();
    server.send(room, "msg:hello");
    assert_eq!(server.texts(room), ["hello"]);
    assert_eq!(
        server.values(id),
        [json!({"push": {"message": {"data": "hello"}}})]
    );
}

#[test]
fn a_heartbeat_is_sent_if_that_is_set() {
    let mut settings = insecure(ChannelOptions::default());
    settings.seed_protocol.heartbeat = Some(Duration::from_secs(30));
    let mut server = Server::new(settings);
    let room = server.room_client();
    server.advance(Duration::from_secs(29));
    assert!(server.texts(room).is_empty());
    server.advance(Duration::from_secs(31));
    assert_eq!(server.texts(room), ["heartbeat", "heartbeat"]);

    let mut server = open();
    let room = server.room_client();
    server.advance(Duration::from_secs(3_600));
    assert!(server.texts(room).is_empty());
}
