//! Positions, history and recovery.

use std::time::Duration;

use super::Words;
use crate::net::Net;

#[test]
fn a_subscriber_hears_the_position_and_then_each_publication_once_in_order() {
    for shards in 1..=3 {
        let mut net = Net::words(shards);
        let publisher = net.open(0);
        net.ask(publisher, "keep c one\nkeep c two");
        let clients: Vec<_> = (0..shards).map(|shard| net.open(shard.into())).collect();
        for &client in &clients {
            let heard = net.ask(client, "position c");
            assert!(heard[0].starts_with("subscribed c@2 "), "{heard:?}");
            assert!(heard[0].ends_with(" []"), "{heard:?}");
        }
        net.ask(publisher, "keep c three\npub c passing\nkeep c four");
        for &client in &clients {
            assert_eq!(net.heard(client), ["c#3:three!", "c:passing", "c#4:four!"]);
        }
        assert_eq!(
            net.ask(publisher, "history c 3"),
            ["history @4 [1:one 2:two 3:three]"]
        );
    }
}

#[test]
fn what_was_missed_is_in_the_answer_and_what_follows_behind_it() {
    for shards in 1..=3 {
        let mut net = Net::words(shards);
        let (publisher, client) = (net.open(0), net.open(usize::from(shards) - 1));
        let epoch = net.epoch(client, "c");
        net.ask(publisher, "keep c a\nkeep c b\nkeep c c");
        let answer = format!("recovered c@3 {epoch} [2:b 3:c]");
        assert_eq!(net.ask(client, &format!("recover c {epoch} 1")), [answer]);
        net.ask(publisher, "keep c d");
        assert_eq!(net.heard(client), ["c#4:d!"]);
        net.ask(client, "unsub c");
        // At the newest, nothing is missing.
        let answer = format!("recovered c@4 {epoch} []");
        assert_eq!(net.ask(client, &format!("recover c {epoch} 4")), [answer]);
        net.ask(client, "unsub c");
        for (since, is_recovered) in [("- 0", true), ("- 5", false), ("otherone 4", false)] {
            let heard = net.ask(client, &format!("recover c {since}"));
            assert_eq!(heard[0].starts_with("recovered"), is_recovered, "{heard:?}");
            net.ask(client, "unsub c");
        }
        let answer = format!("recovered c@4 {epoch} [4:d]");
        assert_eq!(net.ask(client, "latest c - 0"), [answer]);
    }
}

#[test]
fn a_subscription_that_needs_what_is_missing_is_refused_and_leaves_no_trace() {
    for shards in 1..=3 {
        let mut net = Net::words(shards);
        let (publisher, client) = (net.open(0), net.open(usize::from(shards) - 1));
        let epoch = net.epoch(client, "c");
        for n in 0..12 {
            net.ask(publisher, &format!("keep c {n}"));
        }
        let refused = format!("refused c@12 {epoch}");
        assert_eq!(net.ask(client, &format!("require c {epoch} 1")), [refused]);
        assert_eq!(net.ask(publisher, "count c"), ["0 of 0"]);
        net.ask(publisher, "keep c more");
        assert_eq!(net.heard(client), [""; 0]);
        let heard = net.ask(client, &format!("require c {epoch} 3"));
        assert!(heard[0].starts_with("recovered c@13"), "{heard:?}");
        assert_eq!(net.stats().channels.members, 1);
    }
}

#[test]
fn publications_and_positions_are_forgotten_in_time() {
    for shards in 1..=2 {
        let mut net = Net::words(shards);
        let (publisher, client) = (net.open(0), net.open(usize::from(shards) - 1));
        let epoch = net.epoch(client, "c");
        net.ask(publisher, "keep c a\nkeep c b");
        assert_eq!(net.stats().channels.kept, 2);
        net.wait(Duration::from_secs(11));
        assert_eq!(net.stats().channels.kept, 0);
        assert_eq!(net.ask(publisher, "history c 9"), ["history @2 []"]);
        let heard = net.ask(client, &format!("recover c {epoch} 1"));
        assert_eq!(heard, [format!("subscribed c@2 {epoch} []")]);
        // As long as there are subscribers, the stream goes on.
        net.wait(Duration::from_secs(1_000));
        net.ask(publisher, "keep c c");
        assert_eq!(net.heard(client), ["c#3:c!"]);
        net.ask(client, "unsub c");
        net.wait(Duration::from_secs(1_000));
        assert_eq!(net.stats().channels.streams, 0);
        assert_ne!(net.epoch(client, "c"), epoch);
    }
}

#[test]
fn the_answer_comes_before_what_is_published_in_the_same_turn() {
    for shards in 1..=3 {
        let mut net: Net<Words> = Net::words(shards);
        let client = net.open(0);
        // All in one message: the publications are behind the subscription.
        let heard = net.ask(
            client,
            "position c\nkeep c a\npub c b\nposition d\nkeep d e",
        );
        assert!(heard[0].starts_with("subscribed c@0"), "{heard:?}");
        let of = |channel: &'static str| {
            let heard = heard.iter().filter(move |text| text.starts_with(channel));
            heard.map(String::as_str).collect::<Vec<_>>()
        };
        assert_eq!(of("c"), ["c#1:a!", "c:b"], "{heard:?}");
        assert_eq!(of("d"), ["d#1:e!"], "{heard:?}");
    }
}

#[test]
fn a_publisher_is_told_when_its_publication_has_its_place() {
    for shards in 1..=3 {
        let mut net = Net::words(shards);
        let clients: Vec<_> = (0..6).map(|n| net.open(n % usize::from(shards))).collect();
        for (n, &client) in clients.iter().enumerate() {
            let answer = net.ask(client, &format!("sure c {n}"));
            assert_eq!(answer, [format!("7 accepted @{}", n + 1)]);
        }
        let all = "history @6 [1:0 2:1 3:2 4:3 5:4 6:5]";
        assert_eq!(net.ask(clients[0], "history c 9"), [all]);
    }
}
