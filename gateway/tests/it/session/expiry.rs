//! Connections and subscriptions that expire, and their refresh.

use std::time::Duration;

use serde_json::json;
use stentor_gateway::namespaces::ChannelSettings;

use super::server::Server;
use super::{NOW, settings, token};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Settings without pings, so that only what expires is heard.
fn server() -> Server {
    let mut settings = settings(ChannelSettings::default());
    settings.client.ping_interval = Duration::ZERO;
    Server::new(settings)
}

fn claims(exp: u64) -> String {
    token(&format!(r#"{{"sub":"42","exp":{}}}"#, NOW + exp))
}

fn sub_claims(exp: u64) -> String {
    token(&format!(
        r#"{{"sub":"42","channel":"a","exp":{}}}"#,
        NOW + exp
    ))
}

fn refresh(token: &str) -> String {
    format!(r#"{{"id":2,"refresh":{{"token":"{token}"}}}}"#)
}

fn sub_refresh(channel: &str, token: &str) -> String {
    format!(r#"{{"id":3,"sub_refresh":{{"channel":"{channel}","token":"{token}"}}}}"#)
}

#[test]
fn a_connection_expires_25_s_after_its_token() {
    let mut server = server();
    let id = server.json();
    let connect = format!(r#"{{"id":1,"connect":{{"token":"{}"}}}}"#, claims(60));
    let result = &server.ask(id, &connect)[0]["connect"];
    assert_eq!(
        (&result["expires"], &result["ttl"]),
        (&json!(true), &json!(60))
    );
    server.advance(Duration::from_millis(84_999));
    assert!(server.texts(id).is_empty());
    server.advance(Duration::from_millis(1));
    assert_eq!(
        server.closed(id),
        Some((3005, "connection expired".to_owned()))
    );
}

#[test]
fn a_token_may_say_when_the_connection_expires() {
    let mut server = server();
    let id = server.json();
    let never = token(&format!(r#"{{"exp":{},"expire_at":0}}"#, NOW + 60));
    let connect = format!(r#"{{"id":1,"connect":{{"token":"{never}"}}}}"#);
    assert_eq!(server.ask(id, &connect)[0]["connect"].get("expires"), None);
    server.advance(secs(3_600));
    assert!(server.texts(id).is_empty());
}

#[test]
fn a_refresh_postpones_the_expiry() {
    let mut server = server();
    let (id, _) = server.connected_with(&claims(60));
    server.advance(secs(59));
    let replies = server.ask(id, &refresh(&claims(100)));
    assert_eq!(
        replies,
        [json!({"id": 2, "refresh": {"expires": true, "ttl": 41}})]
    );
    server.advance(secs(65));
    assert!(server.texts(id).is_empty());
    server.advance(secs(1));
    assert_eq!(server.closed(id).map(|(code, _)| code), Some(3005));
}

#[test]
fn a_refresh_may_end_the_expiry() {
    let mut server = server();
    let (id, _) = server.connected_with(&claims(60));
    let replies = server.ask(id, &refresh(&token(r#"{"sub":"42"}"#)));
    assert_eq!(replies, [json!({"id": 2, "refresh": {}})]);
    server.advance(secs(3_600));
    assert!(server.texts(id).is_empty());
}

#[test]
fn a_refresh_that_is_refused_closes() {
    for (token, code) in [
        (String::new(), 3501),
        ("x".to_owned(), 3500),
        (token(r#"{"sub":"43"}"#), 3500),
        (token(r#"{"sub":"42","channel":"a"}"#), 3500),
        (token(r#"{"sub":"42","exp":5}"#), 3005),
        (token(r#"{"sub":"42","channels":["a"]}"#), 3010),
    ] {
        let mut server = server();
        let (id, _) = server.connected_with(&claims(60));
        let closed = server.close_of(id, &refresh(&token));
        assert_eq!(closed.map(|(code, _)| code), Some(code), "{token}");
    }
}

#[test]
fn a_refresh_with_the_same_subscriptions_is_taken() {
    let mut server = server();
    let subs = |exp: u64| {
        token(&format!(
            r#"{{"sub":"42","exp":{},"channels":["b","a"]}}"#,
            NOW + exp
        ))
    };
    let (id, _) = server.connected_with(&subs(60));
    let replies = server.ask(id, &refresh(&subs(90)));
    assert_eq!(
        replies,
        [json!({"id": 2, "refresh": {"expires": true, "ttl": 90}})]
    );
    let closed = server.close_of(id, &refresh(&claims(90)));
    assert_eq!(closed, Some((3010, "insufficient state".to_owned())));
}

#[test]
fn a_subscription_expires_25_s_after_its_token() {
    let mut server = server();
    let (id, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
    let subscribe = |exp| {
        let token = sub_claims(exp);
        format!(r#"{{"id":2,"subscribe":{{"channel":"a","token":"{token}"}}}}"#)
    };
    let replies = server.ask(id, &subscribe(60));
    assert_eq!(
        replies,
        [json!({"id": 2, "subscribe": {"expires": true, "ttl": 60}})]
    );
    server.advance(secs(50));
    let replies = server.ask(id, &sub_refresh("a", &sub_claims(100)));
    assert_eq!(
        replies,
        [json!({"id": 3, "sub_refresh": {"expires": true, "ttl": 50}})]
    );
    server.advance(Duration::from_millis(74_999));
    assert!(server.texts(id).is_empty());
    server.advance(Duration::from_millis(1));
    let end = json!({"code": 2501, "reason": "subscription expired"});
    assert_eq!(
        server.values(id),
        [json!({"push": {"channel": "a", "unsubscribe": end}})]
    );
    // It is no subscriber any more, and may be one again.
    let text = sub_refresh("a", &sub_claims(200));
    assert_eq!(server.ask(id, &text)[0]["error"]["code"], 103);
    assert_eq!(server.ask(id, &subscribe(200))[0]["subscribe"]["ttl"], 75);
}

#[test]
fn a_sub_refresh_that_is_refused_closes_or_is_an_error() {
    let start = || {
        let mut server = server();
        let (id, _) = server.connected_with(&token(r#"{"sub":"42"}"#));
        let token = sub_claims(60);
        let text = format!(r#"{{"id":2,"subscribe":{{"channel":"a","token":"{token}"}}}}"#);
        assert_eq!(server.ask(id, &text).len(), 1);
        (server, id)
    };
    let (mut server, id) = start();
    let text = sub_refresh("b", "x");
    assert_eq!(server.ask(id, &text)[0]["error"]["code"], 103);
    let text = sub_refresh("a", "");
    assert_eq!(server.ask(id, &text)[0]["error"]["code"], 107);
    for (token, code) in [
        ("x".to_owned(), 3500),
        (token(r#"{"sub":"42"}"#), 3500),
        (token(r#"{"sub":"42","channel":"b"}"#), 3500),
        (token(r#"{"sub":"43","channel":"a"}"#), 3500),
        (token(r#"{"sub":"42","channel":"a","exp":5}"#), 3006),
    ] {
        let (mut server, id) = start();
        let closed = server.close_of(id, &sub_refresh("a", &token));
        assert_eq!(closed.map(|(code, _)| code), Some(code), "{token}");
    }
}
