//! Fuzzes channels against sets: members and their back-pointers, the interest of
//! other shards, and that an empty channel is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use stentor_core::ShardId;
use stentor_core::testing::channels::{ChannelTable, Membership};

use super::InputReader;

/// Bytes as joins and leaves, here and elsewhere.
///
/// # Panics
/// If the channels differ from sets of who is in them.
pub fn channels(data: &[u8]) {
    let mut input = InputReader::new(data);
    let shards = 1 + u16::from(input.byte() % 4);
    let mut channels = ChannelTable::new(u64::from(input.byte()), shards);
    let mut model = ChannelModel::default();
    let mut steps = 0;
    while !input.is_empty() && steps < MOST_STEPS {
        steps += 1;
        let op = input.below(8);
        let name = name(&mut input);
        let slot = u32::from(input.byte() % 24);
        let shard = slot as u16 % shards;
        match op {
            0..=3 => model.join(&mut channels, name, slot),
            4 | 5 => model.leave(&mut channels, name, slot),
            6 => {
                channels.add_elsewhere(name, ShardId(shard));
                *model.elsewhere.entry((name.to_vec(), shard)).or_default() += 1;
            }
            _ => {
                // One more than there are must change nothing.
                channels.remove_elsewhere(name, ShardId(shard));
                if let Some(count) = model.elsewhere.get_mut(&(name.to_vec(), shard)) {
                    *count -= 1;
                }
                model.elsewhere.retain(|_, count| *count > 0);
            }
        }
        assert!(channels.owner(name).0 < shards);
        model.check(&channels);
    }
    for (slot, name) in model.members.keys().cloned().collect::<Vec<_>>() {
        model.leave(&mut channels, &name, slot);
    }
    for ((name, shard), count) in core::mem::take(&mut model.elsewhere) {
        (0..count).for_each(|_| channels.remove_elsewhere(&name, ShardId(shard)));
    }
    assert_eq!(channels.channels(), 0, "empty channels are forgotten");
}

fn name<'a>(input: &mut InputReader<'a>) -> &'a [u8] {
    let len = input.below(4);
    input.take(len)
}

/// Who is where, plainly.
#[derive(Default)]
struct ChannelModel {
    members: BTreeMap<(u32, Vec<u8>), Membership>,
    elsewhere: BTreeMap<(Vec<u8>, u16), u32>,
}

impl ChannelModel {
    fn join(&mut self, channels: &mut ChannelTable, name: &[u8], slot: u32) {
        self.members
            .entry((slot, name.to_vec()))
            .or_insert_with(|| channels.add_member(name, slot));
    }

    fn leave(&mut self, channels: &mut ChannelTable, name: &[u8], slot: u32) {
        let Some(membership) = self.members.remove(&(slot, name.to_vec())) else {
            return;
        };
        channels.remove_member(membership, |slot, from, to| {
            let member = self.members.get_mut(&(slot, name.to_vec()));
            let place = &mut member.expect("it is a member").place;
            assert_eq!(*place, from);
            *place = to;
        });
    }

    fn check(&self, channels: &ChannelTable) {
        let here = self.members.keys().map(|(_, name)| name);
        let names: BTreeSet<&Vec<u8>> = here
            .chain(self.elsewhere.keys().map(|(name, _)| name))
            .collect();
        assert_eq!(channels.channels(), names.len());
        for &name in &names {
            let channel = channels.find(name).expect("it has members");
            assert_eq!(channels.name(channel), name);
            let mut members = channels.members(channel).to_vec();
            members.sort_unstable();
            let expected = self.members.keys().filter(|(_, n)| n == name);
            assert!(members.iter().eq(expected.map(|(slot, _)| slot)));
            let mut elsewhere = channels.elsewhere(channel).to_vec();
            elsewhere.sort_unstable();
            let expected = self.elsewhere.iter().filter(|((n, _), _)| n == name);
            assert!(
                elsewhere
                    .into_iter()
                    .eq(expected.map(|((_, s), &c)| (ShardId(*s), c)))
            );
        }
        for ((slot, name), membership) in &self.members {
            assert_eq!(channels.find(name), Some(membership.channel));
            let at = membership.place as usize;
            assert_eq!(channels.members(membership.channel)[at], *slot);
        }
    }
}

const MOST_STEPS: usize = 300;
