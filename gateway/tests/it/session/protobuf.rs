//! Transcripts of Protobuf clients, with the messages that a second implementation reads and writes.

use prost::Message;
use stentor_core::ConnId;
use stentor_gateway::namespaces::ChannelOptions;

use super::server::Server;
use super::{insecure, recoverable};

#[derive(Clone, PartialEq, Message)]
struct Command {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "4")]
    connect: Option<Empty>,
    #[prost(message, optional, tag = "5")]
    subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "6")]
    unsubscribe: Option<Channel>,
    #[prost(message, optional, tag = "7")]
    publish: Option<Publish>,
    #[prost(message, optional, tag = "8")]
    presence: Option<Channel>,
    #[prost(message, optional, tag = "9")]
    presence_stats: Option<Channel>,
    #[prost(message, optional, tag = "10")]
    history: Option<History>,
    #[prost(message, optional, tag = "13")]
    rpc: Option<Empty>,
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct Channel {
    #[prost(string, tag = "1")]
    channel: String,
}

#[derive(Clone, PartialEq, Message)]
struct Subscribe {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(bool, tag = "3")]
    recover: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Publish {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(bytes, tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct History {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(int32, tag = "7")]
    limit: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Reply {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "2")]
    error: Option<Error>,
    #[prost(message, optional, tag = "4")]
    push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    connect: Option<Connected>,
    #[prost(message, optional, tag = "6")]
    subscribe: Option<Subscribed>,
    #[prost(message, optional, tag = "7")]
    unsubscribe: Option<Empty>,
    #[prost(message, optional, tag = "8")]
    publish: Option<Empty>,
    #[prost(message, optional, tag = "9")]
    presence: Option<PresenceMessage>,
    #[prost(message, optional, tag = "10")]
    presence_stats: Option<PresenceStats>,
    #[prost(message, optional, tag = "11")]
    history: Option<Page>,
}

#[derive(Clone, PartialEq, Message)]
struct Error {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Push {
    #[prost(string, tag = "2")]
    channel: String,
    #[prost(message, optional, tag = "4")]
    publication: Option<Publication>,
    #[prost(message, optional, tag = "5")]
    join: Option<About>,
    #[prost(message, optional, tag = "6")]
    leave: Option<About>,
}

#[derive(Clone, PartialEq, Message)]
struct About {
    #[prost(message, optional, tag = "1")]
    info: Option<Info>,
}

#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(string, tag = "2")]
    client: String,
}

#[derive(Clone, PartialEq, Message)]
struct Publication {
    #[prost(bytes, tag = "4")]
    data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    info: Option<Info>,
    #[prost(uint64, tag = "6")]
    offset: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Connected {
    #[prost(string, tag = "1")]
    client: String,
    #[prost(string, tag = "2")]
    version: String,
    #[prost(uint32, tag = "7")]
    ping: u32,
    #[prost(bool, tag = "8")]
    pong: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Subscribed {
    #[prost(bool, tag = "3")]
    recoverable: bool,
    #[prost(string, tag = "6")]
    epoch: String,
    #[prost(message, repeated, tag = "7")]
    publications: Vec<Publication>,
    #[prost(bool, tag = "8")]
    recovered: bool,
    #[prost(uint64, tag = "9")]
    offset: u64,
    #[prost(bool, tag = "10")]
    positioned: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PresenceMessage {
    #[prost(btree_map = "string, message", tag = "1")]
    presence: std::collections::BTreeMap<String, Info>,
}

#[derive(Clone, PartialEq, Message)]
struct PresenceStats {
    #[prost(uint32, tag = "1")]
    num_clients: u32,
    #[prost(uint32, tag = "2")]
    num_users: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Page {
    #[prost(message, repeated, tag = "1")]
    publications: Vec<Publication>,
    #[prost(string, tag = "2")]
    epoch: String,
    #[prost(uint64, tag = "3")]
    offset: u64,
}

fn send(server: &mut Server, id: ConnId, commands: &[Command]) {
    let commands = commands.iter().map(Message::encode_length_delimited_to_vec);
    server.send_binary(id, &commands.collect::<Vec<_>>().concat());
}

fn receive(server: &mut Server, id: ConnId) -> Vec<Reply> {
    let bytes = server.binaries(id).concat();
    let mut rest = &bytes[..];
    let mut replies = Vec::new();
    while !rest.is_empty() {
        replies.push(Reply::decode_length_delimited(&mut rest).expect("a reply"));
    }
    replies
}

fn ask(server: &mut Server, id: ConnId, command: Command) -> Vec<Reply> {
    send(server, id, &[command]);
    receive(server, id)
}

fn connected(server: &mut Server) -> (ConnId, String) {
    let id = server.protobuf();
    let command = Command {
        id: 1,
        connect: Some(Empty {}),
        ..Command::default()
    };
    let mut replies = ask(server, id, command);
    let connected = replies.pop().and_then(|reply| reply.connect);
    let connected = connected.expect("a connect result");
    assert!(connected.version.starts_with("Stentor "));
    assert_eq!((connected.ping, connected.pong), (25, true));
    (id, connected.client)
}

fn subscribe(channel: &str, recover: bool) -> Command {
    Command {
        id: 2,
        subscribe: Some(Subscribe {
            channel: channel.to_owned(),
            recover,
        }),
        ..Command::default()
    }
}

fn publish(channel: &str, data: &[u8]) -> Command {
    Command {
        id: 3,
        publish: Some(Publish {
            channel: channel.to_owned(),
            data: data.to_vec(),
        }),
        ..Command::default()
    }
}

#[test]
fn bytes_are_published_and_recovered_as_they_are() {
    let mut server = Server::new(insecure(recoverable(10)));
    let (alice, client) = connected(&mut server);
    let (bob, _) = connected(&mut server);
    let reply = ask(&mut server, alice, subscribe("a", false)).remove(0);
    let subscribed = reply.subscribe.expect("a result");
    assert!(subscribed.recoverable && subscribed.positioned);
    assert_eq!((reply.id, subscribed.epoch.len()), (2, 8));
    let replies = ask(&mut server, bob, publish("a", b"\xFFboom\n"));
    let expected = Reply {
        id: 3,
        publish: Some(Empty {}),
        ..Reply::default()
    };
    assert_eq!(replies, [expected]);
    let replies = ask(&mut server, alice, publish("a", b"2"));
    assert_eq!(replies.len(), 3);
    let publications = replies.into_iter().filter_map(|reply| reply.push);
    let publications: Vec<_> = publications.filter_map(|push| push.publication).collect();
    assert_eq!(
        (&*publications[0].data, publications[0].offset),
        (&b"\xFFboom\n"[..], 1)
    );
    assert_eq!(
        (&*publications[1].data, publications[1].offset),
        (&b"2"[..], 2)
    );
    let info = publications[1].info.as_ref().expect("a publisher");
    assert_eq!((&*info.user, &*info.client), ("", &*client));

    let reply = ask(&mut server, bob, subscribe("a", true)).remove(0);
    let subscribed = reply.subscribe.expect("a result");
    assert!(subscribed.recovered);
    let recovered: Vec<_> = subscribed
        .publications
        .iter()
        .map(|one| &*one.data)
        .collect();
    assert_eq!(recovered, [&b"\xFFboom\n"[..], b"2"]);
    let history = Command {
        id: 4,
        history: Some(History {
            channel: "a".to_owned(),
            limit: 1,
        }),
        ..Command::default()
    };
    let page = ask(&mut server, bob, history)
        .remove(0)
        .history
        .expect("a result");
    assert_eq!((page.publications.len(), page.offset), (1, 2));
    assert_eq!(page.epoch, subscribed.epoch);
}

#[test]
fn presence_joins_and_leaves_name_the_clients() {
    let mut server = Server::new(insecure(ChannelOptions {
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
        ..ChannelOptions::default()
    }));
    let (alice, alice_id) = connected(&mut server);
    let (bob, bob_id) = connected(&mut server);
    ask(&mut server, alice, subscribe("a", false));
    ask(&mut server, bob, subscribe("a", false));
    let replies = receive(&mut server, alice);
    let join = replies[0].push.as_ref().and_then(|push| push.join.as_ref());
    let info = join.and_then(|join| join.info.as_ref()).expect("a join");
    assert_eq!(info.client, bob_id);
    let about = |command: fn(Channel) -> Command| {
        let channel = "a".to_owned();
        Command {
            id: 5,
            ..command(Channel { channel })
        }
    };
    let presence = about(|channel| Command {
        presence: Some(channel),
        ..Command::default()
    });
    let found = ask(&mut server, alice, presence)
        .remove(0)
        .presence
        .expect("a result");
    let mut clients: Vec<_> = found.presence.into_keys().collect();
    clients.sort();
    let mut expected = [alice_id, bob_id.clone()];
    expected.sort();
    assert_eq!(clients, expected);
    let unsubscribe = about(|channel| Command {
        unsubscribe: Some(channel),
        ..Command::default()
    });
    let reply = ask(&mut server, bob, unsubscribe).pop().expect("a reply");
    assert_eq!((reply.id, reply.unsubscribe), (5, Some(Empty {})));
    let replies = receive(&mut server, alice);
    let leave = replies[0]
        .push
        .as_ref()
        .and_then(|push| push.leave.as_ref());
    let info = leave
        .and_then(|leave| leave.info.as_ref())
        .expect("a leave");
    assert_eq!(info.client, bob_id);
    let stats = about(|channel| Command {
        presence_stats: Some(channel),
        ..Command::default()
    });
    let stats = ask(&mut server, alice, stats).remove(0).presence_stats;
    let (num_clients, num_users) = (1, 1);
    assert_eq!(
        stats,
        Some(PresenceStats {
            num_clients,
            num_users
        })
    );
}

#[test]
fn errors_pings_and_closes_are_those_of_json() {
    let mut server = Server::new(insecure(ChannelOptions::default()));
    let (id, _) = connected(&mut server);
    let rpc = Command {
        id: 7,
        rpc: Some(Empty {}),
        ..Command::default()
    };
    let error = ask(&mut server, id, rpc).remove(0).error.expect("an error");
    assert_eq!((error.code, &*error.message), (108, "not available"));
    server.advance_to_ping(id);
    assert_eq!(server.binaries(id), [b"\0"]);
    send(&mut server, id, &[Command::default()]);
    assert!(server.binaries(id).is_empty());
    for message in [&b""[..], b"\x05\x08", b"\x00"] {
        let (id, _) = connected(&mut server);
        server.send_binary(id, message);
        assert_eq!(
            server.closed(id),
            Some((3501, "bad request".to_owned())),
            "{message:?}"
        );
    }
}

#[test]
fn a_json_client_does_not_get_what_is_no_json() {
    let mut server = Server::new(insecure(ChannelOptions::default()));
    let (json, _) = server.connected();
    server.ask(json, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    let (id, _) = connected(&mut server);
    ask(&mut server, id, subscribe("a", false));
    assert_eq!(ask(&mut server, id, publish("a", b"boom")).len(), 2);
    assert!(server.texts(json).is_empty());
    assert_eq!(ask(&mut server, id, publish("a", b"{\"a\":1}")).len(), 2);
    assert_eq!(server.values(json)[0]["push"]["pub"]["data"]["a"], 1);
}
