//! Streams of the channels that a shard owns: by name, and when something of them is to be forgotten.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::hash::BuildHasher;
use core::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::chance::Chance;
use crate::channels::publication::{KeptPublication, Retention, Version};
use crate::channels::query::{ChannelAnswer, HistoryQuery};
use crate::channels::repeats::Repeats;
use crate::channels::saved::SavedStream;
use crate::channels::stream::{ChannelStream, Recovered};
use crate::channels::subscription::Recovery;
use crate::position::{Epoch, Position};
use crate::table::{Peak, Place, Table};
use crate::time::Timestamp;

/// The streams of a shard's channels.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: Table<StreamEntry>,
    by_name: HashTable<u32>,
    /// When each is to be looked at; once for each, and not later than it is due.
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
    hash: FixedState,
    epochs: Chance,
    peak: Peak,
    /// Bytes of memory of names and publications.
    owned: usize,
    /// Publications that are kept, and bytes of them.
    kept: (usize, usize),
    /// Where the next search for memory begins.
    hand: u32,
    /// Whether a member of any has, or had, a codec of its own.
    is_followed: bool,
    /// Idempotency keys of publications, to channels with and without a stream.
    repeats: Repeats,
}

#[derive(Debug)]
enum StreamEntry {
    Of { name: Bytes, stream: ChannelStream },
    Vacant(u32),
}

impl Place for StreamEntry {
    fn vacate(&mut self, next: u32) {
        *self = Self::Vacant(next);
    }

    fn next_vacant(&self) -> u32 {
        match *self {
            Self::Vacant(next) => next,
            Self::Of { .. } => u32::MAX,
        }
    }
}

impl StreamEntry {
    fn name(&self) -> &[u8] {
        match self {
            Self::Of { name, .. } => name,
            Self::Vacant(_) => &[],
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Of { name, stream } => name.len() + stream.memory(),
            Self::Vacant(_) => 0,
        }
    }

    fn kept(&self) -> (usize, usize) {
        match self {
            Self::Of { stream, .. } => stream.kept(),
            Self::Vacant(_) => (0, 0),
        }
    }
}

impl Streams {
    /// The epochs of a shard's streams are those of its seed. At most so many idempotency keys are
    /// kept, each for so long.
    pub(crate) fn new(seed: u64, (keys, key_ttl): (usize, Duration)) -> Self {
        Self {
            streams: Table::new(),
            by_name: HashTable::new(),
            due: BinaryHeap::new(),
            hash: FixedState::with_seed(seed),
            epochs: Chance::new(seed),
            peak: Peak::default(),
            owned: 0,
            kept: (0, 0),
            hand: 0,
            is_followed: false,
            repeats: Repeats::new(keys, key_ttl, seed),
        }
    }

    /// Returns the number of streams.
    pub(crate) fn len(&self) -> usize {
        self.streams.occupied() as usize
    }

    /// Returns the number of publications that are kept, and their bytes.
    pub(crate) const fn kept(&self) -> (usize, usize) {
        self.kept
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.streams.memory()
            + self.by_name.allocation_size()
            + self.due.capacity() * size_of::<Reverse<(Timestamp, u32)>>()
            + self.owned
            + self.repeats.memory()
    }

    /// The sums that are kept, counted anew.
    ///
    /// # Panics
    /// If they differ.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn audit(&self) {
        let owned: usize = self.streams.iter().map(StreamEntry::memory).sum();
        assert_eq!(owned, self.owned, "bytes of streams");
        let kept = self.streams.iter().map(StreamEntry::kept);
        let kept = kept.fold((0, 0), |sum, kept| (sum.0 + kept.0, sum.1 + kept.1));
        assert_eq!(kept, self.kept, "kept publications");
        assert_eq!(self.by_name.len(), self.len());
        assert_eq!(self.due.len(), self.len());
    }

    /// Returns the streams that are not over, as they are saved.
    pub(crate) fn saved(&self, now: Timestamp) -> Vec<SavedStream> {
        let streams = self.streams.iter().filter_map(|entry| match entry {
            StreamEntry::Of { name, stream } if !stream.is_over(now) => {
                Some(stream.saved(name, now))
            }
            _ => None,
        });
        streams.collect()
    }

    /// Takes a stream as it was saved, `elapsed` ago, unless its channel has one or it is over by now.
    /// Without room, its publications are left out. Returns whether it was taken.
    pub(crate) fn restore(
        &mut self,
        saved: &SavedStream,
        elapsed: Duration,
        has_room: bool,
        now: Timestamp,
    ) -> bool {
        let name = &saved.channel;
        let hash = self.hash.hash_one(&name[..]);
        let streams = &self.streams;
        let is_there = self.by_name.find(hash, |&at| streams[at].name() == name);
        if is_there.is_some() {
            return false;
        }
        let Some(mut stream) = ChannelStream::restored(saved, elapsed, now) else {
            return false;
        };
        if !has_room {
            stream.clear();
        }
        let kept = stream.kept();
        self.kept = (self.kept.0 + kept.0, self.kept.1 + kept.1);
        let bytes = stream.memory();
        self.owned += bytes;
        self.insert(Bytes::copy_from_slice(name), hash, stream);
        true
    }

    /// Enters a stream, whose publications are counted already.
    fn insert(&mut self, name: Bytes, hash: u64, stream: ChannelStream) -> u32 {
        let due = stream.due();
        self.owned += name.len();
        let at = self.streams.insert(StreamEntry::Of { name, stream });
        let (streams, state) = (&self.streams, &self.hash);
        self.by_name
            .insert_unique(hash, at, |&at| state.hash_one(streams[at].name()));
        self.due.push(Reverse((due, at)));
        at
    }

    /// Gives a publication the next offset in the stream of its channel, and keeps it.
    pub(crate) fn append(
        &mut self,
        name: &[u8],
        publication: KeptPublication,
        version: Option<Version<Bytes>>,
        retention: &Retention,
        now: Timestamp,
    ) -> Position {
        self.with(name, retention, now, |stream| {
            if let Some(version) = version {
                stream.set_version(version);
            }
            stream.append(publication, retention, now)
        })
    }

    /// Returns the position of a channel if its version is not below this one.
    pub(crate) fn outdating(
        &mut self,
        name: &[u8],
        version: &Version<Bytes>,
        retention: &Retention,
        now: Timestamp,
    ) -> Option<Position> {
        let at = self.find(name)?;
        let outdating = self.change(at, |_, stream| {
            stream.outdates(version).then(|| {
                stream.touch(retention, now);
                stream.position()
            })
        });
        outdating.flatten()
    }

    /// Returns what the publisher of a publication with this idempotency key was told, if the channel
    /// has had one of late.
    pub(crate) fn find_key(
        &mut self,
        name: &[u8],
        key: &[u8],
        now: Timestamp,
    ) -> Option<Option<Position>> {
        self.repeats.find(name, key, now)
    }

    /// Remembers an idempotency key that the channel has not had. Returns how many others are forgotten
    /// before their time.
    pub(crate) fn insert_key(
        &mut self,
        name: &[u8],
        key: &[u8],
        answer: Option<Position>,
        now: Timestamp,
    ) -> u64 {
        self.repeats.insert(name, key, answer, now)
    }

    /// Returns the position of a channel, whose stream begins if there is none.
    pub(crate) fn position(
        &mut self,
        name: &[u8],
        retention: &Retention,
        now: Timestamp,
    ) -> Position {
        self.with(name, retention, now, |stream| {
            stream.touch(retention, now);
            stream.position()
        })
    }

    /// Returns the position of a channel, and what a subscriber has missed of its stream.
    pub(crate) fn recover(
        &mut self,
        name: &[u8],
        recovery: &Recovery,
        retention: &Retention,
        now: Timestamp,
    ) -> (Position, Recovered) {
        self.with(name, retention, now, |stream| {
            stream.touch(retention, now);
            (stream.position(), stream.recover(recovery, now))
        })
    }

    /// Returns the newest publication of a channel, if all who follow its stream have got it as the last
    /// of the channel.
    pub(crate) fn previous(&mut self, name: &[u8], now: Timestamp) -> Option<KeptPublication> {
        if !self.is_followed {
            return None;
        }
        let at = self.find(name)?;
        self.change(at, |_, stream| stream.previous(now)).flatten()
    }

    /// Notes a member with a codec of its own. A new one has not got the newest publication.
    pub(crate) fn follow(&mut self, name: &[u8], is_new: bool) {
        self.is_followed = true;
        if is_new {
            self.interrupt(name);
        }
    }

    /// Notes that not all members have got the newest publication as the last of the channel.
    #[inline]
    pub(crate) fn interrupt(&mut self, name: &[u8]) {
        if self.is_followed
            && let Some(at) = self.find(name)
        {
            self.change(at, |_, stream| stream.interrupt());
        }
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        let hash = self.hash.hash_one(name);
        let streams = &self.streams;
        let found = self.by_name.find(hash, |&at| streams[at].name() == name);
        found.copied()
    }

    /// Answers a question about what was published to a channel.
    pub(crate) fn history(
        &mut self,
        name: &[u8],
        query: &HistoryQuery,
        now: Timestamp,
    ) -> ChannelAnswer {
        self.with(name, &query.retention, now, |stream| {
            stream.touch(&query.retention, now);
            stream.history(query, now)
        })
    }

    /// Forgets what was published to a channel, and keeps its position.
    pub(crate) fn clear(&mut self, name: &[u8]) {
        if let Some(at) = self.find(name) {
            self.change(at, |_, stream| stream.clear());
        }
    }

    /// Returns when something is due to be forgotten, at the earliest.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let stream = self.due.peek().map(|&Reverse((due, _))| due);
        stream.into_iter().chain(self.repeats.next_due()).min()
    }

    /// Forgets what is due, of so many streams and so many keys at most. A stream that `is_needed` is not forgotten
    /// as a whole: it has subscribers, for whom a new one would be a gap.
    /// Returns whether anything was due.
    pub(crate) fn expire(
        &mut self,
        now: Timestamp,
        most: usize,
        is_needed: impl Fn(&[u8]) -> bool,
    ) -> bool {
        let keys = (0..most)
            .take_while(|_| self.repeats.expire_first(now))
            .count();
        self.expire_streams(now, most, is_needed) || keys > 0
    }

    fn expire_streams(
        &mut self,
        now: Timestamp,
        most: usize,
        is_needed: impl Fn(&[u8]) -> bool,
    ) -> bool {
        for count in 0..most {
            let Some(&Reverse((_, at))) = self.due.peek().filter(|first| first.0.0 <= now) else {
                return count > 0;
            };
            self.due.pop();
            let mut is_over = false;
            self.change(at, |name, stream| {
                stream.expire(now);
                is_over = stream.is_over(now) && !is_needed(name);
            });
            if is_over {
                self.remove(at);
                continue;
            }
            if let StreamEntry::Of { stream, .. } = &self.streams[at] {
                // One that is needed is looked at again after a while.
                let due = stream.due().max(now.after(LATER));
                self.due.push(Reverse((due, at)));
            }
        }
        most > 0
    }

    /// Forgets publications until this many bytes are free, of so many streams at most. Returns how
    /// many publications were forgotten.
    pub(crate) fn shed(&mut self, bytes: usize, most: usize) -> usize {
        let (before, owned) = (self.kept.0, self.owned);
        for _ in 0..most.min(self.streams.len() as usize) {
            if owned - self.owned >= bytes {
                break;
            }
            self.hand = (self.hand + 1) % self.streams.len();
            self.change(self.hand, |_, stream| stream.clear());
        }
        before - self.kept.0
    }

    /// Forgets idempotency keys before their time until this many bytes are free, so many at most.
    /// Returns how many.
    pub(crate) fn shed_keys(&mut self, bytes: usize, most: usize) -> u64 {
        let before = self.repeats.memory();
        let is_enough = |repeats: &Repeats| before - repeats.memory() >= bytes;
        let mut forgotten = 0;
        while forgotten < most && !is_enough(&self.repeats) && self.repeats.forget_first() {
            forgotten += 1;
        }
        self.repeats.decay();
        forgotten as u64
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self) {
        self.streams.decay();
        self.repeats.decay();
        let (streams, hash, len) = (&self.streams, &self.hash, self.by_name.len());
        if let Some(most) = self.peak.decay(len, self.by_name.capacity()) {
            self.by_name
                .shrink_to(most, |&at| hash.hash_one(streams[at].name()));
            self.due.shrink_to(most);
        }
    }

    /// Does something with the stream of a channel, which begins if there is none or it is over.
    fn with<R>(
        &mut self,
        name: &[u8],
        retention: &Retention,
        now: Timestamp,
        action: impl FnOnce(&mut ChannelStream) -> R,
    ) -> R {
        let hash = self.hash.hash_one(name);
        let at = self.find(name).unwrap_or_else(|| {
            let epoch = Epoch::from_bits(self.epochs.next());
            let stream = ChannelStream::new(epoch, retention, now);
            self.insert(Bytes::copy_from_slice(name), hash, stream)
        });
        self.change(at, |_, stream| action(stream))
            .expect("an entry that is found is not vacant")
    }

    /// Changes a stream, and takes note of what it owns after that.
    fn change<R>(
        &mut self,
        at: u32,
        action: impl FnOnce(&[u8], &mut ChannelStream) -> R,
    ) -> Option<R> {
        let entry = &mut self.streams[at];
        let (memory, kept) = (entry.memory(), entry.kept());
        let StreamEntry::Of { name, stream } = entry else {
            return None;
        };
        let result = action(name, stream);
        let entry = &self.streams[at];
        self.owned = self.owned - memory + entry.memory();
        let now = entry.kept();
        self.kept = (self.kept.0 - kept.0 + now.0, self.kept.1 - kept.1 + now.1);
        Some(result)
    }

    /// Forgets a stream, whose entry among those that are due is gone already.
    fn remove(&mut self, at: u32) {
        self.change(at, |_, stream| stream.clear());
        let entry = &self.streams[at];
        self.owned -= entry.memory();
        let hash = self.hash.hash_one(entry.name());
        if let Ok(found) = self.by_name.find_entry(hash, |&other| other == at) {
            found.remove();
            self.peak.note(self.by_name.len() + 1);
        }
        self.streams.remove(at);
    }
}

/// After how long a stream is looked at again that could not be forgotten.
const LATER: core::time::Duration = core::time::Duration::from_secs(1);

#[cfg(test)]
mod tests;
