//! Members that others see, and their joins and leaves.

use stentor_core::testing::wire::Opcode;

use super::Words;
use crate::net::{Net, masked};

#[test]
fn members_are_shown_until_they_leave_or_end() {
    for shards in 1..=3 {
        let mut net: Net<Words> = Net::words(shards);
        let last = usize::from(shards) - 1;
        let (ann, also_ann, bob) = (net.open(0), net.open(last), net.open(last));
        for (client, user) in [(ann, "ann"), (also_ann, "ann"), (bob, "bob")] {
            assert_eq!(
                net.ask(client, &format!("present c {user}")),
                ["subscribed c []"]
            );
        }
        assert_eq!(net.ask(bob, "count c"), ["3 of 2"]);
        assert_eq!(net.ask(bob, "who c"), ["members ann ann bob"]);
        assert_eq!(net.ask(ann, "unsub c"), ["left c"]);
        assert_eq!(net.ask(bob, "count c"), ["2 of 2"]);
        let shard = also_ann.shard().index();
        net.shards[shard].handle_disconnect(net.now, also_ann);
        net.settle();
        assert_eq!(net.ask(bob, "who c"), ["members bob"]);
        assert_eq!(net.ask(bob, "count other"), ["0 of 0"]);
        net.ask(bob, "unsub c");
        assert_eq!(
            (net.stats().channels.shown, net.stats().channels.members),
            (0, 0)
        );
    }
}

#[test]
fn those_who_listen_hear_who_comes_and_leaves_themselves_included() {
    for shards in 1..=3 {
        let mut net: Net<Words> = Net::words(shards);
        let last = usize::from(shards) - 1;
        let (ann, bob, carl) = (net.open(0), net.open(last), net.open(last));
        assert_eq!(net.ask(ann, "listen c ann"), ["subscribed c []", "c+ann"]);
        assert_eq!(net.ask(bob, "listen c bob"), ["subscribed c []", "c+bob"]);
        // One who is shown and does not listen.
        assert_eq!(net.ask(carl, "present c carl"), ["subscribed c []"]);
        assert_eq!(net.heard(ann), ["c+bob", "c+carl"]);
        net.ask(ann, "pub c hello");
        for client in [bob, carl] {
            let heard = net.heard(client);
            assert_eq!(heard.last().map(String::as_str), Some("c:hello"));
        }
        assert_eq!(net.ask(bob, "unsub c"), ["left c"]);
        let shard = carl.shard().index();
        net.shards[shard].handle_disconnect(net.now, carl);
        net.settle();
        assert_eq!(net.heard(ann), ["c-bob", "c-carl"]);
        // What is left is one membership, and one place on the list of those who listen.
        assert_eq!(net.stats().channels.members, 2);
        net.ask(ann, "unsub c");
        assert_eq!(
            (net.stats().channels.shown, net.stats().channels.count),
            (0, 0)
        );
    }
}

#[test]
fn a_connection_that_ends_while_it_subscribes_is_not_shown() {
    for shards in 2..=3 {
        let mut net: Net<Words> = Net::words(shards);
        for channel in ["c", "d", "e", "f"] {
            let client = net.open(0);
            let text = format!("listen {channel} ann");
            let bytes =
                &mut crate::net::masked(stentor_core::testing::wire::Opcode::Text, text.as_bytes());
            net.shards[0].handle_input(net.now, client, bytes);
            // Before the owner has heard of it.
            net.shards[0].handle_disconnect(net.now, client);
            net.settle();
        }
        assert_eq!(
            (net.stats().channels.shown, net.stats().channels.members),
            (0, 0)
        );
        assert_eq!(net.stats().channels.count, 0);
    }
}

#[test]
fn a_connection_closes_others_on_any_shard_with_a_reason() {
    for shards in 1..=3 {
        let mut net: Net<Words> = Net::words(shards);
        let clients: Vec<_> = (0..6)
            .map(|n| {
                let client = net.open(n % usize::from(shards));
                net.ask(client, "present c ann");
                client
            })
            .collect();
        assert_eq!(net.ask(clients[2], "kick c"), [""; 0]);
        for (n, &client) in clients.iter().enumerate() {
            let frame = [&[0x88, 14, 0x0D, 0xB0], &b"one too many"[..]].concat();
            let expected = if n == 2 { Vec::new() } else { frame };
            assert_eq!(net.take(client), expected, "client {n}");
        }
        assert_eq!(net.ask(clients[2], "who c"), ["members ann"]);
    }
}

#[test]
fn of_connections_that_come_at_once_the_last_one_stays() {
    for shards in 1..=3 {
        let mut net: Net<Words> = Net::words(shards);
        let clients: Vec<_> = (0..6).map(|n| net.open(n % usize::from(shards))).collect();
        // The shards hear of one another only when all have asked.
        for &client in &clients {
            let bytes = &mut masked(Opcode::Text, b"alone c");
            net.shards[client.shard().index()].handle_input(net.now, client, bytes);
        }
        net.settle();
        let heard: Vec<_> = clients.iter().map(|&client| net.take(client)).collect();
        let is_closed = |bytes: &Vec<u8>| bytes.ends_with(b"replaced");
        assert_eq!(heard.iter().filter(|bytes| is_closed(bytes)).count(), 5);
        assert_eq!(net.stats().channels.shown, 1);
    }
}
