//! Idempotency keys of publications: which ones the channels of a shard have had of late, and what
//! their publishers were told.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::position::Position;
use crate::time::Timestamp;

/// The keys that the channels of a shard have had of late.
#[derive(Debug)]
pub(crate) struct Repeats {
    /// By [name](name_of).
    answers: HashMap<Bytes, Option<Position>, FixedState>,
    /// When each is forgotten, the first at the front.
    order: VecDeque<(Timestamp, Bytes)>,
    /// Bytes of memory of the names.
    owned: usize,
    most: usize,
    ttl: Duration,
}

impl Repeats {
    /// At most so many keys, each for so long.
    pub(crate) fn new(most: usize, ttl: Duration, seed: u64) -> Self {
        Self {
            answers: HashMap::with_hasher(FixedState::with_seed(seed)),
            order: VecDeque::new(),
            owned: 0,
            most,
            ttl,
        }
    }

    /// Returns what the publisher of a publication with this key was told, if the channel has had one.
    pub(crate) fn find(
        &mut self,
        channel: &[u8],
        key: &[u8],
        now: Timestamp,
    ) -> Option<Option<Position>> {
        // Not one that is over: it is not said to last longer.
        while self.expire_first(now) {}
        self.answers.get(&name_of(channel, key)).copied()
    }

    /// Adds a key that the channel has not had. Returns how many others are forgotten before their time
    /// for want of room.
    pub(crate) fn insert(
        &mut self,
        channel: &[u8],
        key: &[u8],
        answer: Option<Position>,
        now: Timestamp,
    ) -> u64 {
        let mut forgotten = 0;
        while self.order.len() >= self.most {
            if !self.forget_first() {
                // None may be kept.
                return 1;
            }
            forgotten += 1;
        }
        let name = name_of(channel, key);
        self.owned += name.len();
        self.answers.insert(name.clone(), answer);
        self.order.push_back((now.after(self.ttl), name));
        forgotten
    }

    /// Returns when the first is forgotten.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.order.front().map(|&(due, _)| due)
    }

    /// Forgets the first if its time is over. Returns whether it was.
    pub(crate) fn expire_first(&mut self, now: Timestamp) -> bool {
        self.next_due().is_some_and(|due| due <= now) && self.forget_first()
    }

    /// Forgets the first before its time. Returns whether there was one.
    pub(crate) fn forget_first(&mut self) -> bool {
        let Some((_, name)) = self.order.pop_front() else {
            return false;
        };
        self.owned -= name.len();
        self.answers.remove(&name);
        true
    }

    /// Returns the number of keys.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.owned
            + self.answers.allocation_size()
            + self.order.capacity() * size_of::<(Timestamp, Bytes)>()
    }

    /// Gives memory back if three quarters of it are not needed.
    pub(crate) fn decay(&mut self) {
        const SMALL: usize = 64;
        let most = self.len() * 2;
        if self.order.capacity() > SMALL && most < self.order.capacity() / 2 {
            self.order.shrink_to(most);
            self.answers.shrink_to(most);
        }
    }
}

/// Returns the name of a key of a channel: no other pair has it.
fn name_of(channel: &[u8], key: &[u8]) -> Bytes {
    let length = (channel.len() as u64).to_le_bytes();
    [&length, channel, key].concat().into()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::position::Epoch;

    fn position(offset: u64) -> Option<Position> {
        let epoch = Epoch::from_bits(1);
        (offset > 0).then_some(Position { epoch, offset })
    }

    #[test]
    fn channel_and_key_are_told_apart() {
        let mut repeats = Repeats::new(10, Duration::from_secs(5), 1);
        let now = Timestamp::ORIGIN;
        assert_eq!(repeats.insert(b"ab", b"c", position(7), now), 0);
        assert_eq!(repeats.find(b"ab", b"c", now), Some(position(7)));
        assert_eq!(repeats.find(b"a", b"bc", now), None);
        assert_eq!(repeats.find(b"abc", b"", now), None);
    }

    #[test]
    fn where_none_may_be_kept_each_is_new() {
        let mut repeats = Repeats::new(0, Duration::from_secs(5), 1);
        assert_eq!(repeats.insert(b"a", b"b", None, Timestamp::ORIGIN), 1);
        assert_eq!(repeats.find(b"a", b"b", Timestamp::ORIGIN), None);
        assert_eq!((repeats.len(), repeats.memory()), (0, 0));
    }

    proptest! {
        /// Against a list that is searched from end to end.
        #[test]
        fn a_key_is_known_for_its_time_and_as_one_of_the_newest(
            steps in prop::collection::vec((0..3_u8, 0..6_u8, 0..4_u64), 0..200),
            most in 1..8_usize,
        ) {
            let ttl = Duration::from_secs(10);
            let mut repeats = Repeats::new(most, ttl, 1);
            let mut model: Vec<(Timestamp, [u8; 2], Option<Position>)> = Vec::new();
            let mut now = Timestamp::ORIGIN;
            for (count, (channel, key, seconds)) in steps.into_iter().enumerate() {
                now = now.after(Duration::from_secs(seconds));
                model.retain(|&(due, ..)| due > now);
                let known = model.iter().find(|entry| entry.1 == [channel, key]).map(|entry| entry.2);
                prop_assert_eq!(repeats.find(&[channel], &[key], now), known);
                if known.is_none() {
                    let is_full = model.len() == most;
                    if is_full {
                        model.remove(0);
                    }
                    let answer = position(count as u64);
                    model.push((now.after(ttl), [channel, key], answer));
                    let forgotten = repeats.insert(&[channel], &[key], answer, now);
                    prop_assert_eq!(forgotten, u64::from(is_full));
                }
                prop_assert_eq!(repeats.len(), model.len());
                prop_assert_eq!(repeats.next_due(), model.first().map(|entry| entry.0));
            }
            while repeats.forget_first() {}
            prop_assert_eq!(repeats.owned, 0);
        }
    }
}
