//! Publications that do not reach a member whose position is watched.

use stentor_core::Config;

use super::Words;
use crate::net::Net;

/// A server whose clients have short queues.
fn net(shards: u16) -> Net<Words> {
    Net::new(shards, Config::builder().queue_messages(4), || Words)
}

#[test]
fn a_subscriber_that_misses_a_publication_is_told_once_and_gets_nothing_more() {
    for shards in 1..=3 {
        let mut net = net(shards);
        let (publisher, client) = (net.open(0), net.open(usize::from(shards) - 1));
        let epoch = net.epoch(client, "c");
        net.ask(client, &format!("recover c {epoch} 0\nposition d"));
        let other = net.open(usize::from(shards) - 1);
        net.ask(other, "position c");
        // The socket of the client takes nothing.
        net.takes = 0;
        for n in 1..=9 {
            net.ask(publisher, &format!("keep c {n}"));
            net.heard(other);
        }
        net.ask(publisher, "keep d x");
        net.takes = usize::MAX;
        for id in [publisher, other, client] {
            let shard = &mut net.shards[id.shard().index()];
            shard.handle_writable(net.now, id);
        }
        net.settle();
        let heard = net.heard(client);
        let lost: Vec<_> = heard
            .iter()
            .filter(|text| text.starts_with("lost"))
            .collect();
        assert_eq!(lost, ["lost c"], "{heard:?}");
        // What it has heard of the channel is the beginning, without a gap; of others, everything.
        let of_c: Vec<_> = heard.iter().filter(|text| text.starts_with("c#")).collect();
        for (n, text) in of_c.iter().enumerate() {
            assert_eq!(**text, format!("c#{0}:{0}!", n + 1), "{heard:?}");
        }
        assert!(heard.contains(&"d#1:x!".to_owned()), "{heard:?}");
        net.ask(publisher, "keep c 10");
        assert_eq!(net.heard(client), [""; 0]);
        let known = of_c.len();
        let answer = net.ask(client, &format!("recover c {epoch} {known}"));
        assert!(answer[0].starts_with(&format!("recovered c@10 {epoch} ")));
        assert_eq!(net.ask(publisher, "keep c 11"), [""; 0]);
        assert_eq!(net.heard(client), ["c#11:11!"]);
        let stats = net.stats();
        assert!(stats.delivery.discarded > 0, "{stats:?}");
        assert!(stats.channels.positions_lost >= 1);
    }
}

#[test]
fn one_that_is_not_positioned_goes_on() {
    let mut net = net(1);
    let (publisher, client) = (net.open(0), net.open(0));
    net.ask(client, "sub c");
    net.takes = 0;
    for n in 1..=9 {
        net.ask(publisher, &format!("keep c {n}"));
    }
    net.takes = usize::MAX;
    net.shards[0].handle_writable(net.now, client);
    net.settle();
    let heard = net.heard(client);
    assert!(
        heard.len() < 9 && !heard.contains(&"lost c".into()),
        "{heard:?}"
    );
    net.ask(publisher, "keep c 10");
    assert_eq!(net.heard(client), ["c#10:10!"]);
}

#[test]
fn what_waits_of_a_channel_is_not_heard_after_leaving_it() {
    for shards in 1..=2 {
        let mut net = net(shards);
        let (publisher, client) = (net.open(0), net.open(usize::from(shards) - 1));
        let epoch = net.epoch(client, "c");
        net.ask(client, "position c");
        net.takes = 0;
        net.ask(publisher, "keep c 1\nkeep c 2");
        net.ask(client, &format!("unsub c\nrecover c {epoch} 0"));
        net.takes = usize::MAX;
        net.shards[client.shard().index()].handle_writable(net.now, client);
        net.settle();
        let heard = net.heard(client);
        let recovered = format!("recovered c@2 {epoch} [1:1 2:2]");
        assert_eq!(heard, ["left c", &recovered]);
    }
}
