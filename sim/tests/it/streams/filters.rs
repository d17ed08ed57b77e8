//! Filters of single members: who gets what, and how often a filter is asked.

use super::*;

#[test]
fn a_filter_is_asked_once_for_all_who_have_it() {
    for shards in [1, 2] {
        let mut net = Net::words(shards);
        let ids: Vec<ConnId> = (0..8).map(|n| net.open(n % usize::from(shards))).collect();
        for (n, &id) in ids.iter().enumerate() {
            // Two filters, and two members on each shard without one.
            let command = match n / 2 % 4 {
                0 | 1 => "filter room x",
                2 => "filter room y",
                _ => "position room",
            };
            net.ask(id, command);
        }
        for (text, passing) in [("ax", 6), ("ay", 4), ("axy", 8), ("a", 2)] {
            let before = ASKED.get();
            net.ask(ids[7], &format!("keep room {text}"));
            let heard = ids.iter().map(|&id| net.heard(id).len());
            // The publisher has got it with the answer to its command.
            assert_eq!(heard.sum::<usize>() + 1, passing, "{text}");
            assert_eq!(ASKED.get() - before, 2 * u64::from(shards), "{text}");
        }
        // What a filter has kept back is no gap.
        let heard: Vec<_> = ids
            .iter()
            .flat_map(|&id| net.ask(id, "count room"))
            .collect();
        assert!(
            heard.iter().all(|text| text.starts_with("0 of")),
            "{heard:?}"
        );
        for &id in &ids[..6] {
            net.ask(id, "unsub room");
        }
        // Nobody has a filter any more.
        let before = ASKED.get();
        net.ask(ids[7], "keep room ax");
        assert_eq!(ASKED.get(), before);
        assert_eq!(net.heard(ids[6]).len(), 1);
    }
}

#[test]
fn a_membership_that_ends_takes_its_filter_with_it() {
    let mut net = Net::words(1);
    let (id, other) = (net.open(0), net.open(0));
    net.ask(id, "filter room x");
    net.ask(id, "unsub room");
    net.ask(id, "position room");
    net.ask(other, "keep room a");
    assert_eq!(net.heard(id), ["room#1:a!"]);
}
