//! The server API: keys, publications, batches, and what is no call.

use serde_json::{Value, json};
use stentor_core::ConnId;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings, Conflation};
use stentor_gateway::{ApiMethod, GatewaySettings};

use super::server::Server;
use super::{insecure, settings, with_history};

/// A server without a key for the API.
fn server_without_key() -> Server {
    Server::new(GatewaySettings {
        api: stentor_gateway::ApiSettings::default(),
        ..insecure(ChannelOptions::default())
    })
}

/// A server whose channels have presence and, in the namespace `hi`, a history.
pub(super) fn server() -> Server {
    Server::new(settings_with_history())
}

fn settings_with_history() -> GatewaySettings {
    let presence = |options| ChannelOptions {
        presence: true,
        ..options
    };
    let mut settings = settings(ChannelSettings {
        without_namespace: presence(ChannelOptions::default()),
        namespaces: [
            ("hi".into(), presence(with_history(10))),
            ("none".into(), ChannelOptions::default()),
            (
                "object".into(),
                ChannelOptions {
                    publication_data_format:
                        stentor_gateway::namespaces::PublicationDataFormat::JsonObject,
                    ..ChannelOptions::default()
                },
            ),
        ]
        .into(),
        ..ChannelSettings::default()
    });
    settings.client.insecure = true;
    settings
}

pub(super) fn error(code: u16, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message } })
}

/// Returns a client that is subscribed to a channel.
pub(super) fn subscriber(server: &mut Server, channel: &str) -> (ConnId, String) {
    let (id, client) = server.connected();
    server.ask(
        id,
        &format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#),
    );
    (id, client)
}

#[test]
fn a_call_needs_a_key() {
    let mut server = server();
    let call = |server: &mut Server, target: &str, fields: &[&str]| {
        let id = server.post(target, fields, b"{}");
        server.status(id)
    };
    for (target, field) in [
        ("/api/info", "X-API-Key: key"),
        ("/api/info", "x-api-key: before"),
        ("/api/info", "Authorization: apikey key"),
        ("/api/info?api_key=key", "X: y"),
        ("/api/info?a=b&api_key=%6bey", "X: y"),
    ] {
        assert_eq!(call(&mut server, target, &[field]), 200, "{target} {field}");
    }
    for (target, field) in [
        ("/api/info", "X: y"),
        ("/api/info", "X-API-Key: wrong"),
        ("/api/info", "X-API-Key:"),
        ("/api/info", "Authorization: Bearer key"),
        ("/api/info", "Authorization: key"),
        ("/api/info?api_key=", "X: y"),
        ("/api/info?api_key=keys", "X: y"),
        ("/api/info?api_key=key", "X-API-Key: wrong"),
        ("/api/unknown", "X: y"),
        ("/api", "X: y"),
    ] {
        assert_eq!(call(&mut server, target, &[field]), 401, "{target} {field}");
    }
    assert_eq!(server.stats().api.unauthorized, 10);
    let mut server = server_without_key();
    let id = server.post_api("/api/info", "{}");
    assert_eq!(server.status(id), 401);
    assert!(server.body(id).contains("http_api.key"));
    let id = server.post("/api/info", &["X-API-Key:"], b"");
    assert_eq!(server.status(id), 401);
}

#[test]
fn what_is_no_call_is_refused() {
    let mut server = server();
    let id = server.request("/api/info", &["Host: localhost", "X-API-Key: key"]);
    assert_eq!(server.status(id), 405);
    assert!(server.head(id).contains("Allow: POST"));
    let id = server.post_api("/api/nothing", "{}");
    assert_eq!(server.status(id), 404);
    let id = server.post_api("/apis", "{}");
    assert_eq!(server.status(id), 404);
    for (method, body) in [
        ("publish", ""),
        ("publish", "null"),
        ("publish", "[]"),
        ("publish", "{} {}"),
        ("publish", r#"{"channel":5}"#),
        ("publish", r#"{"channel":"a","data":}"#),
        ("publish", "{\"channel\":\"\u{7f}\", \"data\": tru}"),
        ("history", r#"{"channel":"a","limit":"5"}"#),
        ("batch", r#"{"commands":[{"publish":5}]}"#),
        ("", ""),
    ] {
        let id = server.post_api(&format!("/api/{method}"), body);
        assert_eq!(server.status(id), 400, "{method} {body}");
    }
    assert_eq!(server.stats().api.undecodable, 10);
    let long = format!(r#"{{"channel":"a","data":"{}"}}"#, "x".repeat(64 << 10));
    let id = server.post_api("/api/publish", &long);
    assert_eq!(server.status(id), 413);
}

#[test]
fn a_publication_reaches_subscribers_and_has_a_position() {
    let mut server = server();
    let (id, _) = subscriber(&mut server, "hi:a");
    let (other, _) = subscriber(&mut server, "b");
    let params = "{\"channel\":\"hi:a\",\"data\":{\"x\" :\n 1.50},\"tags\":{\"a\":\"b\"}}";
    let answer = server.api("publish", params);
    assert_eq!(answer["result"]["offset"], 1);
    let epoch = answer["result"]["epoch"]
        .as_str()
        .expect("an epoch")
        .to_owned();
    assert_eq!(epoch.len(), 8);
    // The payload is passed on as it is, but for line breaks.
    let texts = server.texts(id);
    let expected = format!(
        r#"{{"push":{{"channel":"hi:a","pub":{{"data":{{"x" : 1.50}},"offset":1,"tags":{{"a":"b"}},"epoch":"{epoch}"}}}}}}"#
    );
    assert_eq!(texts, [expected]);
    assert_eq!(
        server.api("publish", r#"{"channel":"b","data":null}"#),
        json!({ "result": {} })
    );
    assert_eq!(
        server.values(other)[0]["push"]["pub"],
        json!({ "data": null })
    );
    // One that skips the history has no offset, and the next one has the next.
    let params = r#"{"channel":"hi:a","data":2,"skip_history":true}"#;
    assert_eq!(server.api("publish", params), json!({ "result": {} }));
    assert_eq!(server.values(id)[0]["push"]["pub"], json!({ "data": 2 }));
    let answer = server.api("publish", r#"{"channel":"hi:a","data":3}"#);
    assert_eq!(answer["result"], json!({ "offset": 2, "epoch": epoch }));
}

#[test]
fn a_publication_that_may_not_be_is_an_error() {
    let mut server = server();
    let bad = error(107, "bad request");
    let long = "x".repeat(256);
    for params in [
        r#"{"data":1}"#.into(),
        r#"{"channel":"a"}"#.into(),
        r#"{"channel":"a","b64data":"?"}"#.into(),
        r#"{"channel":"ä","data":1}"#.into(),
        format!(r#"{{"channel":"{long}","data":1}}"#),
        r#"{"channel":"object:a","data":1}"#.into(),
        r#"{"channel":"hi:a","data":1,"priority":3}"#.into(),
        r#"{"channel":"hi:a","data":1,"ttl":3}"#.into(),
        r#"{"channel":"hi:a","data":1,"key":"k"}"#.into(),
        r#"{"channel":"a","data":1,"priority":256}"#.into(),
        r#"{"channel":"a","data":1,"ttl":-1}"#.into(),
        format!(r#"{{"channel":"a","data":1,"key":"{long}"}}"#),
    ] {
        assert_eq!(server.api("publish", &params), bad, "{params}");
    }
    assert_eq!(
        server.api("publish", r#"{"channel":"no:a","data":1}"#),
        error(102, "unknown channel")
    );
    let counted: u64 = server.stats().api.errors().map(|(_, count)| count).sum();
    assert_eq!(counted, 13);
}

#[test]
fn errors_are_statuses_where_that_is_asked_for() {
    let mut server = server();
    for (method, params, status, code) in [
        ("publish", r#"{"channel":"no:a","data":1}"#, 404, 102),
        ("rpc", "{}", 404, 104),
        ("publish", r#"{"channel":"a"}"#, 400, 107),
        ("presence", r#"{"channel":"none:a"}"#, 400, 108),
        (
            "history",
            r#"{"channel":"hi:a","since":{"offset":1,"epoch":"abcdefgh"}}"#,
            416,
            112,
        ),
    ] {
        let fields = ["X-API-Key: key", "X-Centrifugo-Error-Mode: transport"];
        let id = server.post(&format!("/api/{method}"), &fields, params.as_bytes());
        let body: Value = serde_json::from_str(server.body(id)).expect("JSON");
        assert_eq!((server.status(id), &body["code"]), (status, &json!(code)));
        assert!(body["message"].is_string() && body.get("error").is_none());
    }
}

#[test]
fn a_batch_is_carried_out_in_order() {
    let mut server = server();
    let answer = server.api(
        "batch",
        r#"{"commands":[
            {"publish":{"channel":"hi:a","data":1}},
            {"history":{"channel":"hi:a","limit":1}},
            {"presence":{"channel":"none:a"}},
            {"nothing":{}},
            {"broadcast":{"channels":["a","b"],"data":1}},
            {"channels":{}},
            {"history_remove":{"channel":"hi:a"}},
            {"history":{"channel":"hi:a","limit":1}},
            {"unsubscribe":{"user":"42","channel":"a"}}
        ],"parallel":true}"#,
    );
    let replies = answer["replies"].as_array().expect("a list");
    assert_eq!(replies.len(), 9);
    assert_eq!(replies[0]["publish"]["offset"], 1);
    assert_eq!(replies[1]["history"]["publications"][0]["data"], 1);
    assert_eq!(replies[2], error(108, "not available"));
    assert_eq!(replies[3], error(104, "method not found"));
    assert_eq!(
        replies[4],
        json!({ "broadcast": { "responses": [{ "result": {} }, { "result": {} }] } })
    );
    assert_eq!(replies[5], json!({ "channels": { "channels": {} } }));
    assert_eq!(replies[6], json!({ "history_remove": {} }));
    assert_eq!(replies[7]["history"]["publications"], json!([]));
    assert_eq!(replies[8], json!({ "unsubscribe": {} }));
    assert_eq!(server.api("batch", "{}"), json!({ "replies": [] }));
    // Nothing of a body that is wrong is carried out.
    let id = server.post_api(
        "/api/batch",
        r#"{"commands":[{"publish":{"channel":"hi:b","data":1}},{"publish":{"channel":1}}]}"#,
    );
    assert_eq!(server.status(id), 400);
    let history = server.api("history", r#"{"channel":"hi:b","limit":1}"#);
    assert_eq!(history["result"]["offset"], 0);
}

#[test]
fn what_comes_behind_a_long_answer_is_not_carried_out() {
    let publish =
        r#"{"publish":{"channel":"hi:a","data":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}"#;
    let history = r#"{"history":{"channel":"hi:a","limit":-1}}"#;
    let commands = [publish, publish, history, history, history, publish].join(",");
    let offset = |server: &mut Server| {
        let history = server.api("history", r#"{"channel":"hi:a","limit":0}"#);
        history["result"]["offset"].as_u64().expect("an offset")
    };
    let limited = |max_answer| {
        let mut settings = settings_with_history();
        settings.api.max_answer = max_answer;
        let mut server = Server::new(settings);
        let answer = server.api("batch", &format!(r#"{{"commands":[{commands}]}}"#));
        let replies = answer["replies"].as_array().expect("a list").clone();
        (replies, offset(&mut server))
    };
    let (all, offset) = limited(1 << 20);
    assert!(all.iter().all(|reply| reply.get("error").is_none()) && offset == 3);
    // As long as it is when the second history has been added.
    let list = serde_json::to_string(&all[..4]).expect("JSON");
    let length = r#"{"replies":"#.len() + list.len() - "]".len();
    let (replies, offset) = limited(length);
    assert_eq!(replies[..4], all[..4]);
    assert_eq!(
        replies[4..],
        [error(106, "limit exceeded"), error(106, "limit exceeded")]
    );
    assert_eq!(offset, 2);
    let (replies, offset) = limited(length + 1);
    assert_eq!(replies[..5], all[..5]);
    assert_eq!((&replies[5], offset), (&error(106, "limit exceeded"), 2));
}

#[test]
fn the_old_form_answers_a_line_for_each_command() {
    let mut server = server();
    let body = concat!(
        r#"{"method":"publish","params":{"channel":"hi:a","data":1}}"#,
        "\n",
        r#"{"method":"nothing"}"#,
        "\n",
        r#"{"method":"presence_stats","params":{"channel":"a"}}"#,
    );
    let id = server.post_api("/api", body);
    let lines: Vec<Value> = server
        .body(id)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!(lines[0]["result"]["offset"], 1);
    assert_eq!(lines[1], error(104, "method not found"));
    assert_eq!(lines[2]["result"]["num_clients"], 0);
    assert_eq!(lines.len(), 3);
}

#[test]
fn delivery_tells_what_happened_at_the_queues() {
    let mut server = server();
    for _ in 0..4 {
        subscriber(&mut server, "a");
    }
    let answer = server.api("publish", r#"{"channel":"a","data":1,"delivery":true}"#);
    assert_eq!(
        answer["result"]["delivery"],
        json!({
            "members": 4,
            "queued": 4,
            "dropped": { "refused": 0, "evicted": 0, "conflated": 0, "expired": 0 },
        })
    );
}

#[test]
fn a_waiting_publication_is_replaced_by_one_with_its_key() {
    let mut server = Server::new(insecure(ChannelOptions {
        overflow: Some(stentor_core::OverflowPolicy::DropOldest),
        conflate: Conflation::Off,
        ..ChannelOptions::default()
    }));
    let (id, _) = subscriber(&mut server, "a");
    server.texts(id);
    server.set_stuck(id, true);
    for (data, options) in [
        (1, r#""key":"k""#),
        (2, r#""key":"other""#),
        (3, r#""key":"k""#),
        (4, r#""priority":0"#),
        (5, r#""ttl":0.5"#),
        (6, r#""key":"k""#),
    ] {
        server.api(
            "publish",
            &format!(r#"{{"channel":"a","data":{data},{options}}}"#),
        );
    }
    server.advance(std::time::Duration::from_secs(1));
    server.set_stuck(id, false);
    let data: Vec<_> = server
        .values(id)
        .iter()
        .map(|value| value["push"]["pub"]["data"].clone())
        .collect();
    assert!(!data.contains(&json!(5)), "{data:?}");
    assert!(
        data.contains(&json!(6)) && !data.contains(&json!(3)),
        "{data:?}"
    );
}

#[test]
fn every_method_takes_an_object() {
    let mut server = server();
    for &method in ApiMethod::ALL {
        let answer = server.api(method.name(), "{}");
        assert!(answer.get("result").is_some() || answer.get("error").is_some());
        let id = server.post_api(&format!("/api/{}", method.name()), "[]");
        assert_eq!(server.status(id), 400);
    }
}

#[test]
fn a_client_is_left_out() {
    let mut server = server();
    let mut clients: Vec<_> = (0..6).map(|_| subscriber(&mut server, "hi:a")).collect();
    let (left_out, client) = clients.remove(3);
    let publish = |server: &mut Server, method: &str, channels: &str, exclude: &str| {
        server.api(
            method,
            &format!(r#"{{{channels},"data":1,"exclude":"{exclude}"}}"#),
        )
    };
    let answer = publish(&mut server, "publish", r#""channel":"hi:a""#, &client);
    assert_eq!(answer["result"]["offset"], 1);
    let answer = publish(&mut server, "broadcast", r#""channels":["hi:a"]"#, &client);
    assert_eq!(answer["result"]["responses"][0]["result"]["offset"], 2);
    assert!(server.values(left_out).is_empty());
    for (id, _) in &clients {
        let pushes = server.values(*id);
        let offsets: Vec<_> = pushes
            .iter()
            .map(|push| push["push"]["pub"]["offset"].clone())
            .collect();
        assert_eq!(offsets, [1, 2]);
    }
    // The next one gets everybody, and so does one that leaves out a client that is not there.
    for exclude in ["", "17", "18446744073709551615"] {
        publish(&mut server, "publish", r#""channel":"hi:a""#, exclude);
        assert_eq!(server.values(left_out).len(), 1, "{exclude}");
    }
    let bad = publish(&mut server, "publish", r#""channel":"hi:a""#, "x");
    assert_eq!(bad, error(107, "bad request"));
}
