//! Compares the registry with sets of names, and visits of members with who was there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn channels_agree_with_sets_of_names(
        ops in prop::collection::vec((any::<bool>(), 0u32..12, 0u8..6, 0u16..3), 1..300)
    ) {
        let mut channels = ChannelRegistry::new(7, 4);
        let mut places: BTreeMap<(u32, u8), Membership> = BTreeMap::new();
        let mut remote_counts: BTreeMap<(u8, u16), u32> = BTreeMap::new();
        for (join, slot, channel, shard) in ops {
            let name = [channel];
            if shard > 0 {
                let count = remote_counts.entry((channel, shard)).or_default();
                if join {
                    channels.add_remote(&name, ChannelList::Members, ShardId(shard));
                    *count += 1;
                } else if *count > 0 {
                    channels.remove_remote(&name, ChannelList::Members, ShardId(shard));
                    *count -= 1;
                }
            } else if join {
                places.entry((slot, channel)).or_insert_with(|| channels.add_member(&name, ChannelList::Members, slot, Form::DEFAULT));
            } else if let Some(place) = places.remove(&(slot, channel)) {
                channels.remove_member(place, |Moved { slot, from, to }| {
                    let place = &mut places.get_mut(&(slot, channel)).expect("a member").place;
                    assert_eq!(*place, from);
                    *place = to;
                });
            }
            remote_counts.retain(|_, count| *count > 0);
            let names: BTreeSet<u8> =
                places.keys().map(|k| k.1).chain(remote_counts.keys().map(|k| k.0)).collect();
            prop_assert_eq!(channels.len(), names.len());
            for name in 0..6 {
                let Some(at) = channels.find(&[name]) else {
                    prop_assert!(!names.contains(&name));
                    continue;
                };
                let members: BTreeSet<u32> = channels.members(at).iter().copied().collect();
                let expected: BTreeSet<u32> =
                    places.keys().filter(|k| k.1 == name).map(|k| k.0).collect();
                prop_assert_eq!(members.len(), channels.members(at).len());
                prop_assert_eq!(members, expected);
                for &(ShardId(shard), count) in channels.remote_counts(at) {
                    prop_assert_eq!(remote_counts.get(&(name, shard)), Some(&count));
                }
            }
            for (&(slot, _), place) in &places {
                prop_assert_eq!(channels.members(place.channel)[place.place as usize], slot);
            }
        }
    }

    /// A visit meets everyone who was a member when it began and has not left before it
    /// came to them, once, and nobody else.
    #[test]
    fn a_visit_meets_whoever_was_there_and_stays(
        before in 0u32..12,
        ops in prop::collection::vec((0u8..3, 0usize..16), 0..60)
    ) {
        let mut channels = ChannelRegistry::new(7, 1);
        let mut places: BTreeMap<u32, Membership> = BTreeMap::new();
        for slot in 0..before {
            places.insert(slot, channels.add_member(b"r", ChannelList::Members, slot, Form::DEFAULT));
        }
        let Some(channel) = channels.find(b"r") else { return Ok(()) };
        channels.hold(channel);
        channels.begin_visit(channel);
        let mut due: BTreeSet<u32> = (0..before).collect();
        let mut next = before;
        for (op, which) in ops {
            match op {
                0 => {
                    places.insert(next, channels.add_member(b"r", ChannelList::Members, next, Form::DEFAULT));
                    next += 1;
                }
                1 => {
                    let Some(slot) = places.keys().nth(which).copied() else { continue };
                    let place = places.remove(&slot).expect("it is one");
                    prop_assert_eq!(due.remove(&slot), place.place < channels.unvisited(channel));
                    channels.remove_member(place, |Moved { slot, from, to }| {
                        let place = &mut places.get_mut(&slot).expect("a member").place;
                        assert_eq!(*place, from);
                        *place = to;
                    });
                }
                _ => match channels.visit(channel) {
                    Some(slot) => prop_assert!(due.remove(&slot)),
                    None => prop_assert!(due.is_empty()),
                },
            }
            prop_assert_eq!(channels.unvisited(channel) as usize, due.len());
            for (&slot, place) in &places {
                prop_assert_eq!(channels.members(channel)[place.place as usize], slot);
            }
        }
        while let Some(slot) = channels.visit(channel) {
            prop_assert!(due.remove(&slot));
        }
        prop_assert!(due.is_empty());
        channels.release(channel);
        prop_assert_eq!(channels.find(b"r").is_some(), !places.is_empty());
    }
}
