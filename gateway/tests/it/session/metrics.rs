//! What the gateway counts, as metrics.

use serde_json::json;
use stentor_core::Handler as _;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};

use super::server::Server;
use super::{recoverable, settings};

/// Returns a metric of all shards, by the values of its labels.
fn metric(server: &Server, name: &str, labels: &[&str]) -> u64 {
    let all = server.gateways().flat_map(|gateway| gateway.metrics());
    let mut values = all
        .filter(|metric| metric.family.name == name && metric.labels == labels)
        .map(|metric| metric.value)
        .peekable();
    assert!(values.peek().is_some(), "{name} {labels:?}");
    values.sum()
}

#[test]
fn clients_and_what_they_do_is_counted_by_namespace_transport_and_code() {
    let mut settings = settings(ChannelSettings {
        namespaces: [("news".into(), recoverable(10))].into(),
        ..ChannelSettings::default()
    });
    settings.client.insecure = true;
    let mut server = Server::new(settings);
    let (one, _) = server.connected();
    let (two, _) = server.connected();
    for (id, channel) in [(one, "news:a"), (two, "news:b"), (two, "plain")] {
        let subscribe = json!({ "id": 2, "subscribe": { "channel": channel } });
        server.ask(id, &subscribe.to_string());
    }
    for channel in ["news:a", "news:c", "plain"] {
        let publish = json!({ "id": 3, "publish": { "channel": channel, "data": 1 } });
        server.ask(one, &publish.to_string());
        server.api(
            "publish",
            &json!({ "channel": channel, "data": 1 }).to_string(),
        );
    }
    let channels = json!({ "channels": ["news:a", "none:a", "plain"], "data": 1 });
    server.api("broadcast", &channels.to_string());
    server.ask(one, r#"{"id":4,"subscribe":{"channel":"none:a"}}"#);
    server.ask(
        one,
        r#"{"id":5,"subscribe":{"channel":"news:c","recover":true,"epoch":"other","offset":1}}"#,
    );
    let count = |name: &str, labels: &[&str]| metric(&server, name, labels);
    for (name, labels, expected) in [
        ("stentor_clients", &["websocket", "json"][..], 2),
        ("stentor_clients", &["websocket", "protobuf"], 0),
        ("stentor_client_connects_total", &["websocket", "json"], 2),
        ("stentor_client_commands_total", &["subscribe"], 5),
        ("stentor_client_commands_total", &["publish"], 3),
        ("stentor_client_errors_total", &["102"], 1),
        ("stentor_client_errors_total", &["103"], 0),
        ("stentor_namespace_subscriptions", &["news"], 3),
        ("stentor_namespace_subscriptions", &["_"], 1),
        ("stentor_namespace_subscribes_total", &["news"], 3),
        ("stentor_namespace_publications_total", &["news"], 5),
        ("stentor_namespace_publications_total", &["_"], 3),
        (
            "stentor_namespace_recoveries_total",
            &["news", "not_recovered"],
            1,
        ),
        (
            "stentor_namespace_recoveries_total",
            &["news", "recovered"],
            0,
        ),
        ("stentor_api_calls_total", &["publish"], 3),
        ("stentor_api_calls_total", &["broadcast"], 1),
    ] {
        assert_eq!(count(name, labels), expected, "{name} {labels:?}");
    }
    server.ask(two, r#"{"id":6,"unsubscribe":{"channel":"plain"}}"#);
    assert_eq!(
        metric(&server, "stentor_namespace_subscriptions", &["_"]),
        0
    );
    server.leave(two);
    assert_eq!(
        metric(&server, "stentor_namespace_subscriptions", &["news"]),
        2
    );
    assert_eq!(
        metric(&server, "stentor_clients", &["websocket", "json"]),
        1
    );
    // One that the protocol closes.
    server.send(one, "no JSON");
    let ends = ["stentor_client_disconnects_total"];
    assert_eq!(metric(&server, ends[0], &["3501"]), 1);
    assert_eq!(
        metric(&server, "stentor_namespace_subscriptions", &["news"]),
        0
    );
    assert_eq!(
        metric(&server, "stentor_clients", &["websocket", "json"]),
        0
    );
    let stats = server.stats();
    assert_eq!((stats.connected(), stats.connects()), (0, 2));
    assert_eq!(stats.channels().subscribes, 4);
}

#[test]
fn every_metric_has_the_labels_of_its_family_and_is_there_once() {
    let server = Server::new(super::insecure(ChannelOptions::default()));
    for gateway in server.gateways() {
        let all = gateway.metrics();
        for (place, metric) in all.iter().enumerate() {
            assert_eq!(metric.labels.len(), metric.family.labels.len());
            let same = |other: &&stentor_core::app::Metric| {
                other.family == metric.family && other.labels == metric.labels
            };
            assert!(!all[..place].iter().any(|other| same(&other)), "{metric:?}");
        }
    }
}
