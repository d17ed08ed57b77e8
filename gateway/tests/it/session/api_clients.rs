//! The server API: what is asked about clients and done to them.

use std::time::Duration;

use serde_json::{Value, json};
use stentor_core::ConnId;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};

use super::server::Server;
use super::{NOW, recoverable, settings, token, with_history};

fn server() -> Server {
    let mut settings = settings(ChannelSettings {
        without_namespace: ChannelOptions {
            presence: true,
            allow_subscribe_for_client: true,
            ..ChannelOptions::default()
        },
        namespaces: [
            ("hi".into(), with_history(10)),
            ("re".into(), recoverable(10)),
        ]
        .into(),
        ..ChannelSettings::default()
    });
    // Nobody has to answer pings.
    settings.client.ping_interval = Duration::from_secs(3_600);
    Server::new(settings)
}

fn user(server: &mut Server, user: &str) -> (ConnId, String) {
    server.connected_with(&token(&format!(r#"{{"sub":"{user}"}}"#)))
}

fn done() -> Value {
    json!({ "result": {} })
}

#[test]
fn a_backend_subscribes_the_clients_of_a_user() {
    let mut server = server();
    let (one, client) = user(&mut server, "42");
    let (two, _) = user(&mut server, "42");
    let (other, _) = user(&mut server, "43");
    let params = r#"{"user":"42","channel":"a","data":{"x":1},"info":{"role":"admin"}}"#;
    assert_eq!(server.api("subscribe", params), done());
    for id in [one, two] {
        let pushes = server.values(id);
        let push = json!({ "push": { "channel": "a", "subscribe": { "data": { "x": 1 } } } });
        assert_eq!(pushes, [push]);
    }
    assert!(server.values(other).is_empty());
    let presence = server.api("presence", r#"{"channel":"a"}"#);
    assert_eq!(
        presence["result"]["presence"][&client],
        json!({ "user": "42", "client": client, "chan_info": { "role": "admin" } })
    );
    server.api("publish", r#"{"channel":"a","data":7}"#);
    assert_eq!(server.values(one)[0]["push"]["pub"]["data"], 7);
    // A second time nothing happens.
    assert_eq!(server.api("subscribe", params), done());
    assert!(server.values(one).is_empty());
    for params in [
        r#"{"channel":"a"}"#,
        r#"{"user":"42"}"#,
        r#"{"user":"42","channel":"a","b64info":"?"}"#,
    ] {
        assert_eq!(server.api("subscribe", params)["error"]["code"], 107);
    }
    let unknown = server.api("subscribe", r#"{"user":"42","channel":"no:a"}"#);
    assert_eq!(unknown["error"]["code"], 102);
}

#[test]
fn a_subscription_by_a_backend_recovers() {
    let mut server = server();
    let (id, client) = user(&mut server, "42");
    for data in 1..=3 {
        server.api("publish", &format!(r#"{{"channel":"re:a","data":{data}}}"#));
    }
    let params = format!(
        r#"{{"user":"42","client":"{client}","channel":"re:a","recover_since":{{"offset":1}}}}"#
    );
    server.api("subscribe", &params);
    let pushes = server.values(id);
    let subscribe = &pushes[0]["push"]["subscribe"];
    assert_eq!(subscribe["recoverable"], true);
    assert_eq!(subscribe["offset"], 1);
    let recovered: Vec<_> = pushes[1..]
        .iter()
        .map(|push| push["push"]["pub"]["offset"].clone())
        .collect();
    assert_eq!(recovered, [2, 3]);
    server.api("publish", r#"{"channel":"re:a","data":4}"#);
    assert_eq!(server.values(id)[0]["push"]["pub"]["offset"], 4);
}

#[test]
fn a_subscription_by_a_backend_expires() {
    let mut server = server();
    let (id, _) = user(&mut server, "42");
    let params = format!(r#"{{"user":"42","channel":"a","expire_at":{}}}"#, NOW + 60);
    server.api("subscribe", &params);
    server.texts(id);
    server.advance(Duration::from_secs(84));
    assert_eq!(server.closed(id), None);
    server.advance(Duration::from_secs(2));
    let closed = (3006, "subscription expired".into());
    assert_eq!(server.closed(id), Some(closed));
}

#[test]
fn a_backend_ends_subscriptions() {
    let mut server = server();
    let (one, client) = user(&mut server, "42");
    let (two, _) = user(&mut server, "42");
    for id in [one, two] {
        for channel in ["a", "b"] {
            let command = format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#);
            server.ask(id, &command);
        }
    }
    let ended = |channel: &str| {
        json!({ "push": {
            "channel": channel, "unsubscribe": { "code": 2000, "reason": "server unsubscribe" },
        } })
    };
    let params = format!(r#"{{"user":"42","client":"{client}","channel":"a"}}"#);
    assert_eq!(server.api("unsubscribe", &params), done());
    assert_eq!(server.values(one), [ended("a")]);
    assert!(server.values(two).is_empty());
    let stats = server.api("presence_stats", r#"{"channel":"a"}"#);
    assert_eq!(stats["result"]["num_clients"], 1);
    // Without a channel, all of them.
    server.api("unsubscribe", r#"{"user":"42"}"#);
    assert_eq!(server.values(one), [ended("b")]);
    assert_eq!(server.values(two), [ended("a"), ended("b")]);
    let answer = server.api("channels", "{}");
    assert_eq!(answer["result"]["channels"], json!({}));
    assert_eq!(server.api("unsubscribe", "{}")["error"]["code"], 107);
}

#[test]
fn a_backend_closes_connections() {
    let mut server = server();
    let (one, spared) = user(&mut server, "42");
    let (two, _) = user(&mut server, "42");
    let (other, _) = user(&mut server, "43");
    let params = format!(r#"{{"user":"42","whitelist":["{spared}"]}}"#);
    assert_eq!(server.api("disconnect", &params), done());
    assert_eq!(server.closed(two), Some((3503, "force disconnect".into())));
    assert_eq!((server.closed(one), server.closed(other)), (None, None));
    let params = r#"{"user":"42","disconnect":{"code":4321,"reason":"bye"}}"#;
    server.api("disconnect", params);
    assert_eq!(server.closed(one), Some((4321, "bye".into())));
    assert_eq!(server.api("disconnect", r#"{"user":"42"}"#), done());
    let node = |server: &mut Server| server.api("info", "{}")["result"]["nodes"][0].clone();
    assert_eq!(node(&mut server)["num_clients"], 1);
    server.api("disconnect", r#"{"address":"127.0.0.2"}"#);
    assert_eq!(server.closed(other), None);
    server.api("disconnect", r#"{"address":"::ffff:127.0.0.1"}"#);
    assert_eq!(
        server.closed(other),
        Some((3503, "force disconnect".into()))
    );
    assert_eq!(node(&mut server)["num_users"], 0);
    let long = "x".repeat(124);
    for params in [
        "{}".into(),
        r#"{"address":"127.0.0.1:80"}"#.into(),
        r#"{"user":"42","disconnect":{"code":1000}}"#.into(),
        r#"{"user":"42","disconnect":{"code":70000}}"#.into(),
        format!(r#"{{"user":"42","disconnect":{{"code":4000,"reason":"{long}"}}}}"#),
    ] {
        assert_eq!(server.api("disconnect", &params)["error"]["code"], 107);
    }
}

#[test]
fn a_backend_changes_the_expiry() {
    let mut server = server();
    let (id, _) = user(&mut server, "42");
    let params = format!(r#"{{"user":"42","expire_at":{}}}"#, NOW + 60);
    assert_eq!(server.api("refresh", &params), done());
    let refresh = json!({ "push": { "refresh": { "expires": true, "ttl": 60 } } });
    assert_eq!(server.values(id), [refresh]);
    server.api("refresh", r#"{"user":"42"}"#);
    assert_eq!(server.values(id), [json!({ "push": { "refresh": {} } })]);
    server.api("refresh", r#"{"user":"42","expired":true}"#);
    assert_eq!(server.closed(id), Some((3005, "connection expired".into())));
}

#[test]
fn a_backend_sees_the_clients() {
    let mut server = server();
    let (one, client) = user(&mut server, "42");
    let (_, other) = user(&mut server, "43");
    server.ask(one, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    let described = json!({
        "user": "42",
        "transport": "websocket",
        "protocol": "json",
        "address": "127.0.0.1:49152",
        "state": { "channels": { "a": {} } },
    });
    for params in [
        r#"{"user":"42"}"#,
        r#"{"channel":"a"}"#,
        r#"{"channel":"a","user":"42"}"#,
    ] {
        let answer = server.api("connections", params);
        let mut expected = json!({ "connections": {}, "num_connections": 1 });
        expected["connections"][&client] = described.clone();
        assert_eq!(answer["result"], expected, "{params}");
    }
    let answer = server.api("connections", r#"{"address":"127.0.0.1","limit":1}"#);
    assert_eq!(answer["result"]["num_connections"], 2);
    let listed = answer["result"]["connections"].as_object().expect("a map");
    assert_eq!(listed.len(), 1);
    let answer = server.api("connections", r#"{"channel":"a","user":"43"}"#);
    assert_eq!(answer["result"]["num_connections"], 0);
    assert_eq!(server.api("connections", "{}")["error"]["code"], 107);

    server.set_stuck(one, true);
    server.api("publish", r#"{"channel":"a","data":1}"#);
    server.api("publish", r#"{"channel":"a","data":2}"#);
    let answer = server.api("explain", &format!(r#"{{"client":"{client}"}}"#));
    let connection = &answer["result"]["connection"];
    assert_eq!(connection["user"], "42");
    assert_eq!(connection["queue"]["messages"], 2);
    assert_eq!(connection["num_channels"], 1);
    assert_eq!(connection["dropped"]["evicted"], 0);
    let answer = server.api("explain", &format!(r#"{{"client":"{other}"}}"#));
    assert_eq!(answer["result"]["connection"]["queue"]["messages"], 0);
    assert_eq!(server.api("explain", r#"{"client":"17"}"#), done());
    assert_eq!(
        server.api("explain", r#"{"client":"x"}"#)["error"]["code"],
        107
    );
}

#[test]
fn a_banned_user_comes_back_when_the_ban_is_over() {
    let mut server = server();
    let (id, _) = user(&mut server, "42");
    assert_eq!(server.api("ban", r#"{"user":"42","ttl":60}"#), done());
    assert_eq!(server.closed(id), Some((3507, "permission denied".into())));
    let connect = |server: &mut Server| {
        let id = server.json();
        let token = token(r#"{"sub":"42"}"#);
        server.close_of(
            id,
            &format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#),
        )
    };
    for _ in 0..3 {
        assert_eq!(
            connect(&mut server),
            Some((3507, "permission denied".into()))
        );
    }
    user(&mut server, "43");
    assert_eq!(server.api("unban", r#"{"user":"42"}"#), done());
    assert_eq!(connect(&mut server), None);
    server.api(
        "ban",
        &format!(r#"{{"user":"42","expire_at":{}}}"#, NOW + 60),
    );
    server.advance(Duration::from_secs(61));
    assert_eq!(connect(&mut server), None);
    for params in [
        "{}",
        r#"{"ttl":5}"#,
        r#"{"user":"42"}"#,
        r#"{"user":"42","expire_at":1}"#,
        r#"{"user":"42","address":"127.0.0.1","ttl":5}"#,
        r#"{"address":"localhost","ttl":5}"#,
    ] {
        assert_eq!(server.api("ban", params)["error"]["code"], 107, "{params}");
    }
}

#[test]
fn a_banned_address_gets_no_connection() {
    let mut server = server();
    let (id, _) = user(&mut server, "42");
    server.api("ban", r#"{"address":"127.0.0.1","ttl":60}"#);
    assert_eq!(server.closed(id), Some((3507, "permission denied".into())));
    for path in ["/connection/websocket", "/ws"] {
        let id = server.upgrade(path, &["Host: localhost"]);
        assert_eq!(server.status(id), 403);
    }
    // The API stays open to it: it is how the ban ends.
    server.api("unban", r#"{"address":"127.0.0.1"}"#);
    user(&mut server, "42");
}
