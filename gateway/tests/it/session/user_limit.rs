//! The limit of the connections of a user, over all shards.

use serde_json::json;
use stentor_core::ConnId;
use stentor_gateway::UserConnectionPolicy;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};

use super::server::Server;
use super::{settings, token};

const CLOSED: (u16, &str) = (3504, "connection limit");

fn server(limit: usize, policy: UserConnectionPolicy) -> Server {
    let mut settings = settings(ChannelSettings {
        without_namespace: ChannelOptions {
            allow_subscribe_for_client: true,
            presence: true,
            allow_presence_for_subscriber: true,
            ..ChannelOptions::default()
        },
        ..ChannelSettings::default()
    });
    settings.client.user_connection_limit = limit;
    settings.client.user_connection_policy = policy;
    settings.client.allow_anonymous_connect_without_token = true;
    Server::new(settings)
}

fn token_of(user: &str) -> String {
    token(&json!({ "sub": user }).to_string())
}

fn is_closed(server: &mut Server, id: ConnId) -> bool {
    let close = server.closed(id);
    let is_known = close
        .as_ref()
        .is_none_or(|(code, reason)| (*code, &**reason) == CLOSED);
    assert!(is_known, "{close:?}");
    close.is_some()
}

/// Connects a user without a look at the answer.
fn connect(server: &mut Server, user: &str) -> ConnId {
    let id = server.json();
    let command = json!({ "id": 1, "connect": { "token": token_of(user) } });
    server.send(id, &command.to_string());
    id
}

#[test]
fn one_connection_too_many_is_refused_on_whichever_shard_it_comes() {
    for limit in [1, 3] {
        let mut server = server(limit, UserConnectionPolicy::Reject);
        let mut open = Vec::new();
        for _ in 0..limit {
            open.push(server.connected_with(&token_of("42")).0);
        }
        for _ in 0..4 {
            let more = connect(&mut server, "42");
            let (code, texts) = server.close_and_texts(more);
            assert_eq!((code, texts.is_empty()), (3504, true), "no reply before");
            let (other, _) = server.connected_with(&token_of(&format!("of {}", open.len())));
            assert!(!is_closed(&mut server, other));
            server.leave(other);
        }
        for &id in &open {
            assert!(!is_closed(&mut server, id));
        }
        assert_eq!(
            server.stats().connects(),
            limit as u64 + 4,
            "4 are of others"
        );
        // Each that leaves makes room for one.
        for id in open {
            server.leave(id);
            let (next, _) = server.connected_with(&token_of("42"));
            assert!(!is_closed(&mut server, next));
            let more = connect(&mut server, "42");
            assert!(is_closed(&mut server, more));
        }
    }
}

#[test]
fn the_oldest_connection_makes_room_if_that_is_set() {
    let mut server = server(2, UserConnectionPolicy::Replace);
    let ids: Vec<ConnId> = (0..7)
        .map(|_| server.connected_with(&token_of("42")).0)
        .collect();
    for (place, &id) in ids.iter().enumerate() {
        assert_eq!(is_closed(&mut server, id), place < 5, "{place}");
    }
    let replies = server.ask(ids[6], r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    assert_eq!(replies, [json!({ "id": 2, "subscribe": {} })]);
}

#[test]
fn commands_behind_connect_wait_for_the_verdict() {
    let mut server = server(1, UserConnectionPolicy::Reject);
    let commands = [
        json!({ "id": 1, "connect": { "token": token_of("42") } }),
        json!({ "id": 2, "subscribe": { "channel": "a" } }),
        json!({ "id": 3, "presence_stats": { "channel": "a" } }),
    ];
    let commands = commands.map(|command| command.to_string()).join("\n");
    let first = server.json();
    let replies = server.ask(first, &commands);
    let ids: Vec<_> = replies.iter().map(|reply| reply["id"].as_u64()).collect();
    assert_eq!(ids, [Some(1), Some(2), Some(3)], "{replies:?}");
    let second = server.json();
    server.send(second, &commands);
    let (code, texts) = server.close_and_texts(second);
    assert_eq!((code, texts.is_empty()), (3504, true));
    // It was never a member.
    let (other, _) = server.connected_with(&token_of("43"));
    server.ask(other, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    let answer = server.ask(other, r#"{"id":3,"presence_stats":{"channel":"a"}}"#);
    assert_eq!(answer[0]["presence_stats"]["num_clients"], 2, "{answer:?}");
}

#[test]
fn anonymous_users_and_rooms_are_not_counted() {
    let mut server = server(1, UserConnectionPolicy::Reject);
    for _ in 0..4 {
        let (id, _) = server.connected();
        assert!(!is_closed(&mut server, id));
        let room = server.room_client();
        assert!(!is_closed(&mut server, room));
    }
}
