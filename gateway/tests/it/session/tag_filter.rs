//! Filters over the tags of publications: live and recovered, and what is no filter.

use serde_json::{Value, json};
use stentor_core::ConnId;
use stentor_gateway::namespaces::{ChannelOptions, DeltaType};

use super::server::Server;
use super::{insecure, recoverable};

const ODD: &str = r#"{"key":"kind","cmp":"in","vals":["1","3","5"]}"#;

fn server() -> Server {
    Server::new(insecure(ChannelOptions {
        allow_tags_filter: true,
        join_leave: true,
        force_push_join_leave: true,
        allowed_delta_types: vec![DeltaType::Fossil],
        delta_publish: true,
        ..recoverable(100)
    }))
}

fn subscribe(server: &mut Server, id: ConnId, more: &str) -> Value {
    let text = format!(r#"{{"id":9,"subscribe":{{"channel":"c"{more}}}}}"#);
    let replies = server.ask(id, &text);
    let mut replies = replies.into_iter().filter(|reply| reply["id"] == 9);
    replies.next().expect("a reply")
}

fn publish(server: &mut Server, kind: u32) {
    let params = format!(r#"{{"channel":"c","data":{kind},"tags":{{"kind":"{kind}"}}}}"#);
    assert!(server.api("publish", &params)["result"].is_object());
}

/// The offsets that a client has got, and the joins in the channel.
fn taken(server: &mut Server, id: ConnId) -> (Vec<u64>, usize) {
    let values = server.values(id);
    let pushes = values.iter().map(|value| &value["push"]);
    let offsets = pushes
        .clone()
        .filter_map(|push| push["pub"]["offset"].as_u64());
    let joins = pushes.filter(|push| push["join"].is_object()).count();
    (offsets.collect(), joins)
}

#[test]
fn a_subscriber_gets_what_passes_its_filter() {
    let mut server = server();
    // On both shards.
    let clients: Vec<ConnId> = (0..4).map(|_| server.connected().0).collect();
    for (&id, filter) in clients.iter().zip([
        format!(r#","tf":{ODD}"#),
        format!(r#","tf":{{"op":"not","nodes":[{ODD}]}}"#),
        format!(r#","tf":{ODD}"#),
        String::new(),
    ]) {
        let result = subscribe(&mut server, id, &filter);
        assert_eq!(result["subscribe"]["positioned"], true);
    }
    for &id in &clients {
        server.values(id);
    }
    for kind in 1..=6 {
        publish(&mut server, kind);
    }
    // Joins are for everybody.
    let (late, _) = server.connected();
    subscribe(&mut server, late, "");
    let offsets: Vec<_> = clients.iter().map(|&id| taken(&mut server, id)).collect();
    assert_eq!(offsets[0], (vec![1, 3, 5], 1));
    assert_eq!(offsets[1], (vec![2, 4, 6], 1));
    assert_eq!(offsets[2], (vec![1, 3, 5], 1));
    assert_eq!(offsets[3], (vec![1, 2, 3, 4, 5, 6], 1));
    // What has no tags is filtered as well.
    let publication = r#"{"id":3,"publish":{"channel":"c","data":7}}"#;
    server.send(late, publication);
    assert!(taken(&mut server, clients[0]).0.is_empty());
    assert_eq!(taken(&mut server, clients[1]).0, [7]);
    // With the subscription ends its filter.
    server.ask(clients[0], r#"{"id":4,"unsubscribe":{"channel":"c"}}"#);
    subscribe(&mut server, clients[0], "");
    server.values(clients[0]);
    publish(&mut server, 8);
    assert_eq!(taken(&mut server, clients[0]).0, [8]);
    assert!(taken(&mut server, clients[2]).0.is_empty());
    for &id in &clients {
        assert!(!server.is_gone(id));
    }
}

#[test]
fn what_is_recovered_is_filtered() {
    let mut server = server();
    let (id, _) = server.connected();
    let epoch = subscribe(&mut server, id, "")["subscribe"]["epoch"].clone();
    for kind in 1..=6 {
        publish(&mut server, kind);
    }
    for (offset, filter, expected, position) in [
        (1, ODD, vec![3, 5], 1),
        (5, ODD, vec![], 6),
        (6, ODD, vec![], 6),
        (0, r#"{"key":"kind","cmp":"gt","val":"4"}"#, vec![5, 6], 0),
    ] {
        let (id, _) = server.connected();
        let since = format!(r#","recover":true,"offset":{offset},"epoch":{epoch},"tf":{filter}"#);
        let result = subscribe(&mut server, id, &since)["subscribe"].clone();
        assert_eq!(result["recovered"], true);
        let publications = result["publications"].as_array().cloned();
        let publications = publications.unwrap_or_default();
        let offsets: Vec<_> = publications.iter().map(|each| &each["offset"]).collect();
        assert_eq!(offsets, expected.iter().collect::<Vec<&i32>>(), "{offset}");
        let at = result["offset"].as_u64().unwrap_or_default();
        assert_eq!(at, position, "{offset}");
    }
    // The history is not the subscription's.
    let history = r#"{"id":3,"history":{"channel":"c","limit":10}}"#;
    let reply = server.ask(id, history).pop().expect("a reply");
    let publications = reply["history"]["publications"].as_array();
    assert_eq!(publications.expect("publications").len(), 6);
}

#[test]
fn a_filter_declines_patches() {
    let mut server = server();
    let (id, _) = server.connected();
    let more = format!(r#","delta":"fossil","tf":{ODD}"#);
    let result = subscribe(&mut server, id, &more);
    assert_eq!(result["subscribe"]["delta"], Value::Null);
    publish(&mut server, 1);
    let values = server.values(id);
    let push = values.iter().find(|value| value["push"]["pub"].is_object());
    assert_eq!(push.expect("a publication")["push"]["pub"]["data"], 1);
}

#[test]
fn what_is_no_filter_is_a_bad_request() {
    let bad = json!({ "code": 107, "message": "bad request" });
    let mut server = server();
    let (id, _) = server.connected();
    let long = format!(r#"{{"key":"a","cmp":"eq","val":"{}"}}"#, "x".repeat(9_000));
    for filter in [
        "{}",
        r#"{"key":"a","cmp":"like"}"#,
        r#"{"op":"and","nodes":[{"key":"a","cmp":"ex"}]}"#,
        &long,
    ] {
        let reply = subscribe(&mut server, id, &format!(r#","tf":{filter}"#));
        assert_eq!(reply["error"], bad, "{filter}");
    }
    // The channel is free all the same.
    assert!(subscribe(&mut server, id, "")["subscribe"].is_object());
    // A namespace that does not say so allows none.
    let mut server = Server::new(insecure(ChannelOptions::default()));
    let (id, _) = server.connected();
    let reply = subscribe(&mut server, id, &format!(r#","tf":{ODD}"#));
    assert_eq!(reply["error"], bad);
}
