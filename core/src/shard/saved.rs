//! Streams of a shard as data, to save them when a server ends and restore them when the next one
//! starts. The number of shards may be another one then.

use alloc::vec::Vec;
use core::time::Duration;

use crate::app::{Handler, Isolation};
use crate::channels::{SavedStream, SavedStreams};
use crate::shard::Shard;
use crate::time::Timestamp;

impl<H: Handler, I: Isolation> Shard<H, I> {
    /// Returns the streams of the channels that this shard owns: positions, and publications that are
    /// kept, whose payloads are shared and not copied. Complete if nothing is published any more
    /// ([`is_quiet`](Self::is_quiet)).
    pub fn saved_streams(&self, now: Timestamp) -> Vec<SavedStream> {
        self.engine.streams.saved(now)
    }

    /// Takes those of the streams whose channels this shard owns, except for channels that have one by
    /// now. `elapsed` is the time since they were saved. Where memory is short, publications are left
    /// out. Before the shard accepts connections: what is published in between is not in order.
    pub fn restore_streams(&mut self, now: Timestamp, saved: &SavedStreams, elapsed: Duration) {
        self.engine.set_time(now);
        for stream in &saved.streams {
            if self.engine.registry.owner(&stream.channel) != self.engine.id {
                continue;
            }
            let payloads = stream.publications.iter();
            let bytes = payloads.map(|publication| publication.payload.len()).sum();
            let has_room = !self.engine.is_short_of_memory(bytes);
            let streams = &mut self.engine.streams;
            let is_taken = streams.restore(stream, elapsed, has_room, now);
            self.engine.counts.channels.restored += u64::from(is_taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use bytes::Bytes;

    use super::*;
    use crate::channels::{Epoch, KeptPublication};
    use crate::{Config, Echo, MessageType, ShardId};

    fn stream(name: usize, known_for: u64) -> SavedStream {
        let payload = Bytes::from(vec![b'x'; name]);
        SavedStream {
            channel: Bytes::from(alloc::format!("channel {name}")),
            epoch: Epoch::from_text("abcdefgh"),
            offset: 5,
            kept_for: Duration::from_secs(10),
            known_for: Duration::from_secs(known_for),
            publications: vec![KeptPublication {
                offset: 5,
                kind: MessageType::Text,
                payload,
                annotation: Bytes::new(),
            }],
        }
    }

    fn shards(count: u16, budget: usize) -> Vec<Shard<Echo>> {
        let config = Config::builder()
            .shards(count)
            .memory_budget(budget)
            .build()
            .expect("in range");
        let shard = |id| Shard::new(ShardId(id), &config, Echo);
        (0..count).map(shard).collect()
    }

    fn restored(count: u16, saved: &SavedStreams, elapsed: u64) -> Vec<SavedStream> {
        let now = Timestamp::ORIGIN.after(Duration::from_secs(100));
        let mut all = Vec::new();
        for shard in &mut shards(count, 0) {
            shard.restore_streams(now, saved, Duration::from_secs(elapsed));
            shard.restore_streams(now, saved, Duration::from_secs(elapsed));
            let streams = shard.saved_streams(now);
            assert_eq!(shard.stats().channels.restored, streams.len() as u64);
            shard.engine.streams.audit();
            all.extend(streams);
        }
        all.sort_by_key(|stream| {
            stream
                .publications
                .iter()
                .map(|p| p.payload.len())
                .sum::<usize>()
        });
        all
    }

    #[test]
    fn any_number_of_shards_has_each_stream_once() {
        let saved = SavedStreams {
            saved_at: Duration::ZERO,
            streams: (0..50).map(|name| stream(name, 20)).collect(),
        };
        for count in [1, 2, 7] {
            assert_eq!(restored(count, &saved, 0), saved.streams);
        }
    }

    #[test]
    fn the_time_between_counts() {
        let saved = SavedStreams {
            saved_at: Duration::ZERO,
            streams: vec![stream(1, 30), stream(2, 15)],
        };
        let later = restored(1, &saved, 4);
        assert_eq!(later[0].kept_for, Duration::from_secs(6));
        assert_eq!(later[0].known_for, Duration::from_secs(26));
        // Nothing is kept by then, and only one is known.
        let last = restored(1, &saved, 20);
        assert_eq!(last.len(), 1);
        assert!(last[0].publications.is_empty() && last[0].offset == 5);
        assert_eq!(last[0].known_for, Duration::from_secs(10));
        assert!(restored(1, &saved, 30).is_empty());
    }

    #[test]
    fn without_memory_positions_are_restored_and_publications_are_not() {
        let saved = SavedStreams {
            saved_at: Duration::ZERO,
            streams: (0..40).map(|n| stream(100_000 + n, 20)).collect(),
        };
        let now = Timestamp::ORIGIN;
        let mut shard = shards(1, 2 << 20).remove(0);
        shard.restore_streams(now, &saved, Duration::ZERO);
        let streams = shard.saved_streams(now);
        assert_eq!(streams.len(), 40);
        let whole = |stream: &&SavedStream| !stream.publications.is_empty();
        let whole = streams.iter().filter(whole).count();
        assert!((1..20).contains(&whole), "{whole}");
    }
}
