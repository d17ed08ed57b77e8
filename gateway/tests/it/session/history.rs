//! Channels with history: positions, recovery and pages.

use serde_json::{Value, json};
use stentor_core::{ConnId, OverflowPolicy};
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings, RecoveryMode};

use super::server::Server;
use super::{insecure, recoverable, settings, token, with_history};

fn publish(server: &mut Server, id: ConnId, channel: &str, data: impl Iterator<Item = u32>) {
    for data in data {
        let text = format!(r#"{{"id":9,"publish":{{"channel":"{channel}","data":{data}}}}}"#);
        let replies = server.ask(id, &text);
        assert!(
            replies.contains(&json!({"id": 9, "publish": {}})),
            "{replies:?}"
        );
    }
}

fn subscribe(server: &mut Server, id: ConnId, fields: &str) -> Value {
    let text = format!(r#"{{"id":5,"subscribe":{{"channel":"a"{fields}}}}}"#);
    let replies = server.ask(id, &text);
    assert_eq!(replies.len(), 1, "{replies:?}");
    replies[0].clone()
}

fn unsubscribe(server: &mut Server, id: ConnId) {
    server.send(id, r#"{"id":6,"unsubscribe":{"channel":"a"}}"#);
    server.texts(id);
}

fn payloads(publications: &Value) -> Vec<(u64, u64)> {
    let publications = publications.as_array().map_or(&[][..], |list| list);
    let of = |publication: &Value| {
        let number = |name: &str| publication[name].as_u64().expect("a number");
        (number("offset"), number("data"))
    };
    publications.iter().map(of).collect()
}

#[test]
fn publications_have_offsets_and_the_first_has_the_epoch() {
    let mut server = Server::new(insecure(recoverable(10)));
    let (id, client) = server.connected();
    let reply = subscribe(&mut server, id, "");
    let epoch = reply["subscribe"]["epoch"].clone();
    assert_eq!(epoch.as_str().map(str::len), Some(8));
    let result = json!({"recoverable": true, "positioned": true, "epoch": epoch});
    assert_eq!(reply, json!({"id": 5, "subscribe": result}));
    let mut pushes = Vec::new();
    for data in [1, 2] {
        let text = format!(r#"{{"id":9,"publish":{{"channel":"a","data":{data}}}}}"#);
        let replies = server.ask(id, &text);
        pushes.extend(
            replies
                .into_iter()
                .filter(|reply| reply.get("push").is_some()),
        );
    }
    let info = json!({"user": "", "client": client});
    let first = json!({"data": 1, "info": info, "offset": 1, "epoch": epoch});
    let second = json!({"data": 2, "info": info, "offset": 2});
    let push = |publication| json!({"push": {"channel": "a", "pub": publication}});
    assert_eq!(pushes, [push(first), push(second)]);
}

#[test]
fn a_client_recovers_what_it_has_missed() {
    let mut server = Server::new(insecure(recoverable(10)));
    let (id, _) = server.connected();
    let (other, _) = server.connected();
    let epoch = subscribe(&mut server, id, "")["subscribe"]["epoch"].clone();
    publish(&mut server, other, "a", 1..=3);
    server.texts(id);
    unsubscribe(&mut server, id);
    publish(&mut server, other, "a", 4..=5);
    let since = format!(r#","recover":true,"offset":3,"epoch":{epoch}"#);
    let result = &subscribe(&mut server, id, &since)["subscribe"];
    assert_eq!(payloads(&result["publications"]), [(4, 4), (5, 5)]);
    assert_eq!(result["recovered"], true);
    assert_eq!(result["was_recovering"], true);
    // The client advances its offset by what it gets.
    assert_eq!(result["offset"], 3);
    publish(&mut server, other, "a", 6..=6);
    assert_eq!(server.values(id)[0]["push"]["pub"]["offset"], 6);
    assert_eq!(server.stats().channels().recovered, 1);

    // At the top, there is nothing to recover.
    unsubscribe(&mut server, id);
    let since = format!(r#","recover":true,"offset":6,"epoch":{epoch}"#);
    let result = &subscribe(&mut server, id, &since)["subscribe"];
    assert_eq!(result.get("publications"), None);
    assert_eq!(
        (&result["recovered"], &result["offset"]),
        (&json!(true), &json!(6))
    );
    // From nothing, everything that was published is recovered.
    unsubscribe(&mut server, id);
    let result = &subscribe(&mut server, id, r#","recover":true"#)["subscribe"];
    assert_eq!(payloads(&result["publications"]).len(), 6);
    assert_eq!(
        (&result["recovered"], result.get("offset")),
        (&json!(true), None)
    );
}

#[test]
fn what_cannot_be_recovered_is_told() {
    let mut server = Server::new(insecure(recoverable(2)));
    let (id, _) = server.connected();
    let (other, _) = server.connected();
    let epoch = subscribe(&mut server, id, "")["subscribe"]["epoch"].clone();
    publish(&mut server, other, "a", 1..=5);
    server.texts(id);
    for since in [
        format!(r#""offset":2,"epoch":{epoch}"#),
        format!(r#""offset":9,"epoch":{epoch}"#),
        r#""offset":5,"epoch":"abcdefgh""#.to_owned(),
        r#""offset":0,"epoch":"_""#.to_owned(),
    ] {
        unsubscribe(&mut server, id);
        let fields = format!(r#","recover":true,{since}"#);
        let result = &subscribe(&mut server, id, &fields)["subscribe"];
        assert_eq!(result.get("recovered"), None, "{since}");
        assert_eq!(result.get("publications"), None, "{since}");
        assert_eq!(result["was_recovering"], true);
        assert_eq!((&result["offset"], &result["epoch"]), (&json!(5), &epoch));
        // A client may want an error, and no subscription.
        unsubscribe(&mut server, id);
        let reply = subscribe(&mut server, id, &format!(r#"{fields},"flag":2"#));
        assert_eq!(reply["error"]["code"], 112, "{since}");
        publish(&mut server, other, "b", 1..=1);
        assert!(server.texts(id).is_empty());
    }
    assert_eq!(server.stats().channels().recovered, 0);
    assert_eq!(server.stats().channels().not_recovered, 8);
}

#[test]
fn a_channel_that_cannot_recover_says_that_it_was_asked() {
    let mut server = Server::new(insecure(ChannelOptions::default()));
    let (id, _) = server.connected();
    let reply = subscribe(&mut server, id, r#","recover":true,"recoverable":true"#);
    assert_eq!(
        reply,
        json!({"id": 5, "subscribe": {"was_recovering": true}})
    );
    unsubscribe(&mut server, id);
    let reply = subscribe(&mut server, id, r#","recover":true,"flag":2"#);
    assert_eq!(reply["error"]["code"], 112);
}

#[test]
fn a_client_may_ask_for_positions_and_recovery() {
    let mut server = Server::new(insecure(with_history(10)));
    let (id, _) = server.connected();
    let reply = subscribe(&mut server, id, "");
    assert_eq!(reply, json!({"id": 5, "subscribe": {}}));
    unsubscribe(&mut server, id);
    let result = &subscribe(&mut server, id, r#","positioned":true"#)["subscribe"];
    assert_eq!(
        (result.get("recoverable"), &result["positioned"]),
        (None, &json!(true))
    );
    unsubscribe(&mut server, id);
    let result = &subscribe(&mut server, id, r#","recoverable":true"#)["subscribe"];
    assert_eq!(
        (&result["recoverable"], &result["positioned"]),
        (&json!(true), &json!(true))
    );
}

#[test]
fn a_cache_recovers_the_latest_publication() {
    let mut server = Server::new(insecure(ChannelOptions {
        force_recovery_mode: RecoveryMode::Cache,
        auto_cache_recover: true,
        ..recoverable(1)
    }));
    let (id, _) = server.connected();
    let (other, _) = server.connected();
    publish(&mut server, other, "a", 1..=3);
    let result = &subscribe(&mut server, id, "")["subscribe"];
    assert_eq!(payloads(&result["publications"]), [(3, 3)]);
    assert_eq!(
        (&result["recovered"], result.get("offset")),
        (&json!(true), None)
    );
    let epoch = result["epoch"].clone();
    unsubscribe(&mut server, id);
    let since = format!(r#","recover":true,"offset":3,"epoch":{epoch}"#);
    let result = &subscribe(&mut server, id, &since)["subscribe"];
    assert_eq!(result.get("publications"), None);
    assert_eq!(
        (&result["recovered"], &result["offset"]),
        (&json!(true), &json!(3))
    );
}

#[test]
fn server_side_subscriptions_recover_from_connect() {
    let mut server = Server::new(settings(ChannelSettings {
        without_namespace: ChannelOptions {
            allow_publish_for_client: true,
            ..recoverable(10)
        },
        ..ChannelSettings::default()
    }));
    let token = token(r#"{"sub":"42","channels":["a"]}"#);
    let (id, _) = server.connected_with(&token);
    publish(&mut server, id, "a", 1..=2);
    server.texts(id);
    server.leave(id);
    let (other, _) = server.connected_with(&super::token(r#"{"sub":"43"}"#));
    publish(&mut server, other, "a", 3..=4);
    let id = server.json();
    let subs = r#"{"a":{"recover":true,"offset":2}}"#;
    let text = format!(r#"{{"id":1,"connect":{{"token":"{token}","subs":{subs}}}}}"#);
    let result = &server.ask(id, &text)[0]["connect"]["subs"]["a"];
    assert_eq!(payloads(&result["publications"]), [(3, 3), (4, 4)]);
    assert_eq!(
        (&result["recovered"], &result["offset"]),
        (&json!(true), &json!(2))
    );
}

#[test]
fn history_is_read_page_by_page() {
    let mut settings = insecure(with_history(10));
    settings.client.history_max_publication_limit = 4;
    let mut server = Server::new(settings);
    let (id, _) = server.connected();
    publish(&mut server, id, "a", 1..=6);
    let mut ask = |fields: &str| {
        let text = format!(r#"{{"id":7,"history":{{"channel":"a"{fields}}}}}"#);
        let replies = server.ask(id, &text);
        assert_eq!(replies.len(), 1);
        replies[0].clone()
    };
    let position = ask("");
    let epoch = position["history"]["epoch"].clone();
    let result = json!({"publications": [], "epoch": epoch, "offset": 6});
    assert_eq!(position, json!({"id": 7, "history": result}));
    for (fields, offsets) in [
        (r#","limit":2"#.to_owned(), &[1, 2][..]),
        (r#","limit":-1"#.to_owned(), &[1, 2, 3, 4]),
        (r#","limit":100"#.to_owned(), &[1, 2, 3, 4]),
        (r#","limit":2,"reverse":true"#.to_owned(), &[6, 5]),
        (
            format!(r#","limit":9,"since":{{"offset":4,"epoch":{epoch}}}"#),
            &[5, 6],
        ),
        (r#","limit":9,"since":{"offset":4}"#.to_owned(), &[5, 6]),
        (
            r#","limit":9,"since":{"offset":0}"#.to_owned(),
            &[1, 2, 3, 4],
        ),
        (
            format!(r#","limit":9,"since":{{"offset":6,"epoch":{epoch}}}"#),
            &[],
        ),
        (
            r#","limit":2,"reverse":true,"since":{"offset":4}"#.to_owned(),
            &[3, 2],
        ),
    ] {
        let reply = ask(&fields);
        let result = &reply["history"];
        let found = payloads(&result["publications"]);
        let found: Vec<_> = found.into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(found, offsets, "{fields}");
        assert_eq!((&result["offset"], &result["epoch"]), (&json!(6), &epoch));
    }
    for (fields, code) in [
        (r#","limit":2,"since":{"offset":1,"epoch":"abcdefgh"}"#, 112),
        (r#","limit":2,"reverse":true,"since":{"offset":0}"#, 107),
    ] {
        assert_eq!(ask(fields)["error"]["code"], code, "{fields}");
    }
    let replies = server.ask(id, r#"{"id":7,"history":{"channel":"other:a"}}"#);
    assert_eq!(replies[0]["error"]["code"], 102);
}

#[test]
fn who_missed_a_publication_loses_its_subscription_and_recovers() {
    let mut server = Server::new(insecure(recoverable(10)));
    let (id, _) = server.connected();
    let epoch = subscribe(&mut server, id, "")["subscribe"]["epoch"].clone();
    let other = server.protobuf();
    server.send_binary(other, b"\x04\x08\x01\x22\x00");
    // JSON clients cannot have this.
    server.send_binary(other, b"\x0B\x08\x02\x3A\x07\x0A\x01a\x12\x02hi");
    let end = json!({"code": 2500, "reason": "insufficient state"});
    assert_eq!(
        server.values(id),
        [json!({"push": {"channel": "a", "unsubscribe": end}})]
    );
    let text = format!(
        r#"{{"id":5,"subscribe":{{"channel":"a","recover":true,"offset":0,"epoch":{epoch}}}}}"#
    );
    let closed = server.close_of(id, &text);
    assert_eq!(closed, Some((3506, "inappropriate protocol".to_owned())));
}

#[test]
fn a_slow_client_is_told_once_that_it_has_missed_something() {
    let mut settings = insecure(ChannelOptions {
        overflow: Some(OverflowPolicy::DropNew),
        ..recoverable(5_000)
    });
    settings.client.recovery_max_publication_limit = 5_000;
    settings.client.queue_max_size = 10_000;
    let mut server = Server::new(settings);
    let (slow, _) = server.connected();
    let (other, _) = server.connected();
    let epoch = subscribe(&mut server, slow, "")["subscribe"]["epoch"].clone();
    server.set_stuck(slow, true);
    publish(&mut server, other, "a", 1..=2_000);
    server.set_stuck(slow, false);
    let values = server.values(slow);
    let is_end = |value: &&Value| value["push"].get("unsubscribe").is_some();
    assert_eq!(values.iter().filter(is_end).count(), 1);
    let end = json!({"code": 2500, "reason": "insufficient state"});
    let last = values.last().expect("the end");
    assert_eq!(last["push"]["unsubscribe"], end);
    // What it has got has no gap.
    let got = values
        .iter()
        .filter_map(|value| value["push"]["pub"]["offset"].as_u64());
    let seen = got.clone().count() as u64;
    assert!(got.eq(1..=seen), "{seen}");
    publish(&mut server, other, "a", 2_001..=2_001);
    assert!(server.texts(slow).is_empty());

    let since = format!(r#","recover":true,"offset":{seen},"epoch":{epoch}"#);
    let result = &subscribe(&mut server, slow, &since)["subscribe"];
    assert_eq!(result["recovered"], true);
    let recovered = payloads(&result["publications"]);
    let offsets = recovered.iter().map(|(offset, _)| *offset);
    assert!(offsets.eq(seen + 1..=2_001));
    assert_eq!(
        server.stats().unsubscribes().map(|(_, n)| n).sum::<u64>(),
        1
    );
}

#[test]
fn a_server_side_subscription_that_misses_a_publication_closes_with_3010() {
    let mut server = Server::new(settings(ChannelSettings {
        without_namespace: ChannelOptions {
            allow_publish_for_subscriber: true,
            ..recoverable(10)
        },
        ..ChannelSettings::default()
    }));
    let token = token(r#"{"sub":"42","channels":["a"]}"#);
    let (id, _) = server.connected_with(&token);
    let other = server.protobuf();
    let connect = [b"\x08\x01\x22", &*field(&field_of(1, token.as_bytes()))].concat();
    server.send_binary(other, &field(&connect));
    server.send_binary(other, b"\x0B\x08\x02\x3A\x07\x0A\x01a\x12\x02hi");
    assert_eq!(
        server.closed(id),
        Some((3010, "insufficient state".to_owned()))
    );
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let mut len = bytes.len();
    let mut out = Vec::new();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend(bytes);
    out
}

fn field_of(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &field(bytes)].concat()
}
