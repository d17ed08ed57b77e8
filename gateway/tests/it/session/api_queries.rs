//! The server API: broadcasts, presence, history, channels and nodes.

use serde_json::json;

use super::api::{error, server, subscriber};
use super::server::Server;

#[test]
fn a_broadcast_has_a_response_for_each_channel() {
    let mut server = server();
    let (id, _) = subscriber(&mut server, "a");
    let answer = server.api(
        "broadcast",
        r#"{"channels":["hi:a","a","no:a","","hi:a"],"data":{"x":1}}"#,
    );
    let responses = &answer["result"]["responses"];
    assert_eq!(responses[0]["result"]["offset"], 1);
    assert_eq!(responses[1], json!({ "result": {} }));
    assert_eq!(responses[2], error(102, "unknown channel"));
    assert_eq!(responses[3], error(107, "bad request"));
    assert_eq!(responses[4]["result"]["offset"], 2);
    assert_eq!(
        server.values(id)[0]["push"]["pub"]["data"],
        json!({ "x": 1 })
    );
    for params in [r#"{"channels":[],"data":1}"#, r#"{"channels":["a"]}"#] {
        assert_eq!(server.api("broadcast", params), error(107, "bad request"));
    }
    // More than are on their way at one time.
    let names: Vec<_> = (0..1_000)
        .map(|number| format!("hi:{}", number % 300))
        .collect();
    let answer = server.api(
        "broadcast",
        &json!({ "channels": names, "data": 1, "delivery": true }).to_string(),
    );
    let responses = answer["result"]["responses"].as_array().expect("a list");
    assert_eq!(responses.len(), 1_000);
    for (number, response) in responses.iter().enumerate() {
        assert_eq!(response["result"]["offset"], number as u64 / 300 + 1);
        assert_eq!(response["result"]["delivery"]["members"], 0);
    }
}

#[test]
fn presence_is_that_of_the_channel() {
    let mut server = server();
    assert_eq!(
        server.api("presence", r#"{"channel":"a"}"#),
        json!({ "result": { "presence": {} } })
    );
    assert_eq!(
        server.api("presence_stats", r#"{"channel":"a"}"#),
        json!({ "result": { "num_clients": 0, "num_users": 0 } })
    );
    let (_, one) = subscriber(&mut server, "a");
    let (_, two) = subscriber(&mut server, "a");
    let presence = server.api("presence", r#"{"channel":"a"}"#);
    for client in [one, two] {
        assert_eq!(
            presence["result"]["presence"][&client],
            json!({ "user": "", "client": client })
        );
    }
    assert_eq!(
        server.api("presence_stats", r#"{"channel":"a"}"#),
        json!({ "result": { "num_clients": 2, "num_users": 1 } })
    );
    for method in ["presence", "presence_stats"] {
        assert_eq!(
            server.api(method, r#"{"channel":"none:a"}"#),
            error(108, "not available")
        );
    }
}

#[test]
fn history_is_read_by_pages_and_removed() {
    let mut server = server();
    let history = |server: &mut Server, params: &str| {
        server.api("history", &format!(r#"{{"channel":"hi:a",{params}}}"#))
    };
    let empty = history(&mut server, r#""limit":5"#);
    assert_eq!(empty["result"]["publications"], json!([]));
    assert_eq!(empty["result"]["offset"], 0);
    for number in 1..=3 {
        server.api(
            "publish",
            &format!(r#"{{"channel":"hi:a","data":{number}}}"#),
        );
    }
    server.api("publish", r#"{"channel":"hi:a","b64data":"/w=="}"#);
    let all = history(&mut server, r#""limit":-1"#);
    let epoch = all["result"]["epoch"]
        .as_str()
        .expect("an epoch")
        .to_owned();
    assert_eq!(all["result"]["offset"], 4);
    assert_eq!(
        all["result"]["publications"],
        json!([
            { "data": 1, "offset": 1 },
            { "data": 2, "offset": 2 },
            { "data": 3, "offset": 3 },
            { "b64data": "/w==", "offset": 4 },
        ])
    );
    let position = history(&mut server, r#""limit":0"#);
    assert_eq!(
        position["result"],
        json!({ "publications": [], "epoch": epoch, "offset": 4 })
    );
    let page = history(
        &mut server,
        &format!(r#""limit":1,"since":{{"offset":3,"epoch":"{epoch}"}},"reverse":true"#),
    );
    assert_eq!(
        page["result"]["publications"],
        json!([{ "data": 2, "offset": 2 }])
    );
    assert_eq!(
        history(&mut server, r#""reverse":true,"since":{"offset":0}"#),
        error(107, "bad request")
    );
    assert_eq!(
        history(&mut server, r#""since":{"offset":1,"epoch":"abcdefgh"}"#),
        error(112, "unrecoverable position")
    );
    let remove = r#"{"channel":"hi:a"}"#;
    assert_eq!(
        server.api("history_remove", remove),
        json!({ "result": {} })
    );
    let removed = history(&mut server, r#""limit":-1"#);
    assert_eq!(
        removed["result"],
        json!({ "publications": [], "epoch": epoch, "offset": 4 })
    );
    // A channel without a stream gets none by that.
    let other = r#"{"channel":"hi:other"}"#;
    assert_eq!(server.api("history_remove", other), json!({ "result": {} }));
    for method in ["history", "history_remove"] {
        assert_eq!(
            server.api(method, r#"{"channel":"a"}"#),
            error(108, "not available")
        );
    }
}

#[test]
fn channels_and_nodes_are_told() {
    let mut server = server();
    for channel in ["chat:a", "a", "a", "b"] {
        let channel = channel.replace("chat", "none");
        subscriber(&mut server, &channel);
    }
    let channels = |server: &mut Server, params: &str| server.api("channels", params);
    assert_eq!(
        channels(&mut server, "{}"),
        json!({ "result": { "channels": {
            "a": { "num_clients": 2 }, "b": { "num_clients": 1 }, "none:a": { "num_clients": 1 },
        } } })
    );
    assert_eq!(
        channels(&mut server, r#"{"pattern":"none:*"}"#),
        json!({ "result": { "channels": { "none:a": { "num_clients": 1 } } } })
    );
    assert_eq!(
        channels(&mut server, r#"{"pattern":"["}"#),
        error(107, "bad request")
    );
    let answer = server.api("info", "");
    let node = &answer["result"]["nodes"][0];
    assert_eq!(node["num_clients"], 4);
    assert_eq!(node["num_users"], 1);
    assert_eq!(node["num_channels"], 3);
    assert_eq!(node["num_subs"], 4);
    assert_eq!(node["uptime"], 0);
    let uid = node["uid"].clone();
    server.advance(std::time::Duration::from_secs(7));
    let answer = server.api("info", "{}");
    assert_eq!(answer["result"]["nodes"][0]["uptime"], 7);
    assert_eq!(answer["result"]["nodes"][0]["uid"], uid);
}
