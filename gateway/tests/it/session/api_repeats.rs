//! Publications of the API that a channel has had: idempotency keys and versions.

use core::time::Duration;

use serde_json::{Value, json};

use super::api::{error, server, subscriber};
use super::server::Server;

fn publish(server: &mut Server, params: Value) -> Value {
    server.api("publish", &params.to_string())
}

/// Returns the payloads that a client got since it was last asked.
fn heard(server: &mut Server, id: stentor_core::ConnId) -> Vec<Value> {
    let values = server.values(id);
    values
        .into_iter()
        .map(|value| value["push"]["pub"]["data"].clone())
        .collect()
}

#[test]
fn a_key_that_comes_again_has_the_first_answer_and_nobody_gets_it() {
    let mut server = server();
    let (id, _) = subscriber(&mut server, "hi:a");
    let (plain, _) = subscriber(&mut server, "b");
    let first = publish(
        &mut server,
        json!({"channel":"hi:a","data":1,"idempotency_key":"k"}),
    );
    assert_eq!(first["result"]["offset"], 1);
    publish(&mut server, json!({"channel":"hi:a","data":2}));
    // Whatever else it says.
    let again = json!({"channel":"hi:a","data":3,"idempotency_key":"k","skip_history":true});
    assert_eq!(publish(&mut server, again), first);
    assert_eq!(heard(&mut server, id), [json!(1), json!(2)]);
    // A channel without history remembers keys too, and no other channel knows them.
    for _ in 0..2 {
        let params = json!({"channel":"b","data":4,"idempotency_key":"k"});
        assert_eq!(publish(&mut server, params), json!({ "result": {} }));
    }
    assert_eq!(heard(&mut server, plain), [json!(4)]);
    let many = json!({"channels":["hi:a","b","hi:c"],"data":5,"idempotency_key":"k"});
    let answer = server.api("broadcast", &many.to_string());
    let responses = &answer["result"]["responses"];
    assert_eq!(responses[0], first);
    assert_eq!(responses[1], json!({ "result": {} }));
    assert_eq!(responses[2]["result"]["offset"], 1);
    assert!(heard(&mut server, id).is_empty() && heard(&mut server, plain).is_empty());
    // It is remembered for five minutes.
    server.advance(Duration::from_secs(299));
    let (late, _) = subscriber(&mut server, "b");
    let params = json!({"channel":"b","data":6,"idempotency_key":"k"});
    publish(&mut server, params.clone());
    assert!(heard(&mut server, late).is_empty());
    server.advance(Duration::from_secs(2));
    publish(&mut server, params);
    assert_eq!(heard(&mut server, late), [json!(6)]);
}

#[test]
fn a_report_about_what_was_not_delivered_is_empty() {
    let mut server = server();
    let (_, _) = subscriber(&mut server, "b");
    let params = json!({"channel":"b","data":4,"idempotency_key":"k","delivery":true});
    let answer = publish(&mut server, params.clone());
    assert_eq!(answer["result"]["delivery"]["members"], 1);
    let answer = publish(&mut server, params);
    assert_eq!(answer["result"]["delivery"]["members"], 0);
}

#[test]
fn a_version_that_is_not_newer_has_the_position_of_the_channel() {
    let mut server = server();
    let (id, _) = subscriber(&mut server, "hi:a");
    let version = |server: &mut Server, data: u8, version: u64, epoch: &str| {
        let params = json!(
            {"channel":"hi:a","data":data,"version":version,"version_epoch":epoch});
        publish(server, params)["result"]["offset"]
            .as_u64()
            .expect("an offset")
    };
    assert_eq!(version(&mut server, 1, 7, ""), 1);
    assert_eq!(version(&mut server, 2, 7, ""), 1);
    assert_eq!(version(&mut server, 3, 6, ""), 1);
    assert_eq!(version(&mut server, 4, u64::MAX, ""), 2);
    // What has no version is published, and changes none.
    publish(&mut server, json!({"channel":"hi:a","data":5}));
    assert_eq!(version(&mut server, 6, 8, ""), 3);
    assert_eq!(version(&mut server, 7, 1, "e"), 4);
    assert_eq!(version(&mut server, 8, 1, "e"), 4);
    assert_eq!(version(&mut server, 9, 2, "e"), 5);
    let expected = [1, 4, 5, 7, 9].map(|data| json!(data));
    assert_eq!(heard(&mut server, id), expected);
    let history = server.api("history", r#"{"channel":"hi:a","limit":-1}"#);
    assert_eq!(
        history["result"]["publications"]
            .as_array()
            .expect("a list")
            .len(),
        5
    );
}

#[test]
fn a_version_without_history_and_a_long_key_are_errors() {
    let mut server = server();
    let bad = error(107, "bad request");
    let (longest, long) = ("x".repeat(255), "x".repeat(256));
    for params in [
        json!({"channel":"b","data":1,"version":1}),
        json!({"channel":"hi:a","data":1,"version":1,"skip_history":true}),
        json!({"channel":"b","data":1,"idempotency_key":long}),
    ] {
        assert_eq!(publish(&mut server, params.clone()), bad, "{params}");
    }
    let params = json!({"channel":"b","data":1,"idempotency_key":longest});
    assert_eq!(publish(&mut server, params), json!({ "result": {} }));
}
