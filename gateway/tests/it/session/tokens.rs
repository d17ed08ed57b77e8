//! Tokens: who connects, which subscriptions are made, and the answers to tokens that are refused.

use std::sync::Arc;

use serde_json::json;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};
use stentor_gateway::token::{HmacKey, TokenError, Verifier};

use super::server::Server;
use super::{NOW, key, settings, token};

fn server() -> Server {
    Server::new(settings(ChannelSettings::default()))
}

fn connect(token: &str) -> String {
    format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#)
}

fn subscribe(channel: &str, claims: &str) -> String {
    let token = token(claims);
    format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}","token":"{token}"}}}}"#)
}

#[test]
fn a_token_says_who_a_client_is() {
    let mut server = server();
    let claims = r#"{"sub":"42","info":{"name":"a"},"iat":1}"#;
    let (id, client) = server.connected_with(&token(claims));
    let text = subscribe("$a", r#"{"sub":"42","channel":"$a","info":7}"#);
    assert_eq!(server.ask(id, &text), [json!({"id": 2, "subscribe": {}})]);
    let mut options = settings(ChannelSettings {
        without_namespace: ChannelOptions {
            allow_publish_for_subscriber: true,
            ..ChannelOptions::default()
        },
        ..ChannelSettings::default()
    });
    options.node = 2;
    let mut server = Server::new(options);
    let (id, other) = server.connected_with(&token(claims));
    assert_ne!(client, other);
    server.ask(id, &text);
    let replies = server.ask(id, r#"{"id":3,"publish":{"channel":"$a","data":1}}"#);
    let push = replies.iter().find(|reply| reply.get("push").is_some());
    let info = json!({"user": "42", "client": other, "conn_info": {"name": "a"}, "chan_info": 7});
    assert_eq!(push.expect("a push")["push"]["pub"]["info"], info);
}

#[test]
fn a_connection_token_that_is_refused_closes_or_is_an_error() {
    for (token, code) in [
        ("x".to_owned(), 3500),
        ("a.b.c".to_owned(), 3500),
        (token(r#"{"sub":"42"}"#) + "x", 3500),
        (token(r#"{"sub":"42","channel":"a"}"#), 3500),
    ] {
        let mut server = server();
        let id = server.json();
        let closed = server.close_of(id, &connect(&token));
        assert_eq!(closed, Some((code, "invalid token".to_owned())), "{token}");
        let failures: u64 = server.stats().token_failures().map(|(_, n)| n).sum();
        assert_eq!(failures, 1);
    }
    for (claims, code) in [
        (format!(r#"{{"exp":{NOW}}}"#), 109),
        (format!(r#"{{"nbf":{}}}"#, NOW + 9), 109),
        (format!(r#"{{"expire_at":{}}}"#, NOW - 9), 110),
        (r#"{"channels":["other:a"]}"#.to_owned(), 102),
        (r#"{"channels":["ü"]}"#.to_owned(), 107),
    ] {
        let mut server = server();
        let id = server.json();
        let replies = server.ask(id, &connect(&token(&claims)));
        assert_eq!(replies[0]["error"]["code"], code, "{claims}");
    }
}

#[test]
fn a_token_may_need_a_user() {
    let mut settings = settings(ChannelSettings::default());
    settings.tokens = Some(Arc::new(Verifier::new(key()).require_user()));
    let mut server = Server::new(settings);
    let id = server.json();
    let closed = server.close_of(id, &connect(&token("{}")));
    assert_eq!(closed, Some((3507, "permission denied".to_owned())));
    server.connected_with(&token(r#"{"sub":"42"}"#));
}

#[test]
fn a_token_may_subscribe_the_client() {
    let mut settings = settings(ChannelSettings {
        namespaces: vec![("chat".to_owned(), super::recoverable(10))],
        ..ChannelSettings::default()
    });
    settings.client.channel_limit = 3;
    let mut server = Server::new(settings);
    let id = server.json();
    let claims = r#"{"sub":"42","subs":{"a":{"data":{"x":1},"info":5},"$chat:b":{}}}"#;
    let result = &server.ask(id, &connect(&token(claims)))[0]["connect"];
    let epoch = &result["subs"]["$chat:b"]["epoch"];
    assert_eq!(epoch.as_str().map(str::len), Some(8));
    let positioned = json!({"recoverable": true, "positioned": true, "epoch": epoch});
    assert_eq!(
        result["subs"],
        json!({"a": {"data": {"x": 1}}, "$chat:b": positioned})
    );
    let text = r#"{"id":2,"subscribe":{"channel":"a"}}"#;
    assert_eq!(server.ask(id, text)[0]["error"]["code"], 105);
    assert_eq!(server.stats().channels().subscribes, 2);

    let id = server.json();
    let closed = server.close_of(id, &connect(&token(r#"{"channels":["a","b","c","d"]}"#)));
    assert_eq!(closed, Some((3505, "channel limit".to_owned())));
}

#[test]
fn the_reply_to_connect_precedes_what_its_subscriptions_bring() {
    let mut server = Server::new(settings(ChannelSettings {
        without_namespace: ChannelOptions {
            presence: true,
            join_leave: true,
            force_push_join_leave: true,
            ..ChannelOptions::default()
        },
        ..ChannelSettings::default()
    }));
    // Their owners are different shards, which do not answer at the same time.
    let channels = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let claims = json!({"sub": "42", "channels": channels}).to_string();
    let id = server.json();
    let subscribe = r#"{"id":2,"subscribe":{"channel":"a"}}"#;
    let replies = server.ask(id, &format!("{}\n{subscribe}", connect(&token(&claims))));
    let subs = replies[0]["connect"]["subs"]
        .as_object()
        .expect("an object");
    assert!(subs.keys().eq(channels));
    let mut joined: Vec<_> = replies
        .iter()
        .filter(|reply| reply["push"].get("join").is_some())
        .filter_map(|reply| reply["push"]["channel"].as_str())
        .collect();
    joined.sort_unstable();
    assert_eq!(joined, channels);
    let second = replies.iter().find(|reply| reply["id"] == 2);
    assert_eq!(second.expect("a reply")["error"]["code"], 105);
}

#[test]
fn a_client_gets_back_what_it_may_subscribe_to() {
    let chat = ChannelOptions {
        allow_subscribe_for_client: true,
        ..ChannelOptions::default()
    };
    let mut server = Server::new(settings(ChannelSettings {
        namespaces: vec![("chat".to_owned(), chat)],
        ..ChannelSettings::default()
    }));
    let token = token(r#"{"sub":"42","channels":["a"]}"#);
    let connect =
        |subs: &str| format!(r#"{{"id":1,"connect":{{"token":"{token}","subs":{{{subs}}}}}}}"#);
    let id = server.json();
    let subs = r#""a":{},"b":{},"chat:c":{},"$chat:d":{"recover":true}"#;
    let replies = server.ask(id, &connect(subs));
    assert_eq!(
        replies[0]["connect"]["subs"],
        json!({"a": {}, "chat:c": {}})
    );
    let id = server.json();
    let closed = server.close_of(id, &connect(r#""other:a":{}"#));
    assert_eq!(closed.map(|(code, _)| code), Some(3501));
}

#[test]
fn a_subscription_token_decides_alone() {
    let mut server = server();
    let (id, client) = server.connected_with(&token(r#"{"sub":"42"}"#));
    let claims = format!(r#"{{"sub":"42","channel":"a","client":"{client}","data":{{"x":1}}}}"#);
    let replies = server.ask(id, &subscribe("a", &claims));
    assert_eq!(replies, [json!({"id": 2, "subscribe": {"data": {"x": 1}}})]);
    for (channel, claims, code) in [
        ("b", r#"{"sub":"42"}"#.to_owned(), 103),
        ("b", r#"{"sub":"42","channel":"b","exp":5}"#.to_owned(), 109),
        (
            "b",
            r#"{"sub":"42","channel":"b","expire_at":5}"#.to_owned(),
            110,
        ),
    ] {
        let replies = server.ask(id, &subscribe(channel, &claims));
        assert_eq!(replies[0]["error"]["code"], code, "{claims}");
    }
    let text = r#"{"id":2,"subscribe":{"channel":"b","token":"x"}}"#;
    assert_eq!(server.ask(id, text)[0]["error"]["code"], 103);
    for claims in [
        r#"{"sub":"42","channel":"other"}"#,
        r#"{"sub":"43","channel":"b"}"#,
        r#"{"channel":"b"}"#,
        r#"{"sub":"42","channel":"b","client":"17"}"#,
    ] {
        let (id, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
        let closed = server.close_of(id, &subscribe("b", claims));
        assert_eq!(closed, Some((3500, "invalid token".to_owned())), "{claims}");
    }
    let stats = server.stats();
    let failures: Vec<_> = stats.token_failures().filter(|(_, n)| *n > 0).collect();
    assert!(
        failures.contains(&(TokenError::WrongUser, 2)),
        "{failures:?}"
    );
}

#[test]
fn subscription_tokens_may_have_a_key_of_their_own() {
    let mut settings = settings(ChannelSettings::default());
    let other = HmacKey::new(b"other").expect("a secret");
    settings.subscription_tokens = Some(Arc::new(Verifier::new(other)));
    let mut server = Server::new(settings);
    let (id, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
    let text = subscribe("a", r#"{"sub":"42","channel":"a"}"#);
    assert_eq!(server.ask(id, &text)[0]["error"]["code"], 103);
}

#[test]
fn a_token_may_change_the_options_of_a_channel() {
    let mut server = Server::new(settings(ChannelSettings {
        without_namespace: super::with_history(10),
        ..ChannelSettings::default()
    }));
    let (id, client) = server.connected_with(&token(r#"{"sub":"42"}"#));
    let with = |overrides: &str| {
        subscribe(
            "a",
            &format!(r#"{{"sub":"42","channel":"a","override":{{{overrides}}}}}"#),
        )
    };
    let text = with(r#""force_recovery":{"value":true}"#);
    let result = &server.ask(id, &text)[0]["subscribe"];
    assert_eq!(
        (&result["recoverable"], &result["positioned"]),
        (&json!(true), &json!(true))
    );
    server.send(id, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    server.texts(id);
    let text = with(r#""force_positioning":{"value":true}"#);
    let result = &server.ask(id, &text)[0]["subscribe"];
    assert_eq!(
        (result.get("recoverable"), &result["positioned"]),
        (None, &json!(true))
    );
    server.send(id, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    server.texts(id);
    let text = with(
        r#""presence":{"value":true},"join_leave":{"value":true},"force_push_join_leave":{"value":true}"#,
    );
    let replies = server.ask(id, &text);
    assert_eq!(replies[0]["subscribe"], json!({}));
    assert_eq!(replies[1]["push"]["join"]["info"]["client"], *client);
}
