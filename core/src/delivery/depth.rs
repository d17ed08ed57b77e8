//! Number, bytes and age of the messages that wait for one connection, for inspection.

use alloc::vec::Vec;
use core::time::Duration;

use crate::delivery::Outbound;
use crate::delivery::frame::Rank;
use crate::time::Timestamp;

/// Messages that wait for one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Depth {
    /// How many.
    pub messages: u32,
    /// Their bytes, frame headers included; of one that is partly out, all.
    pub bytes: u32,
    /// How long ago the oldest was published. Of each priority only what goes
    /// next is looked at, so one behind a newer message that has taken the place
    /// of an older one may have waited a little longer. Zero if none waits.
    pub oldest: Duration,
}

impl Outbound {
    /// Returns what waits for a connection.
    pub(crate) fn depth(&self, now: Timestamp, at: u32) -> Depth {
        let mut depth = self.counted_depth(at);
        let queue = &self.conns[at].queue;
        let mut oldest = 0;
        if queue.messages() > 0 {
            queue.for_each_band(&self.nodes, |band| {
                let first = self.nodes.first(band.list).filter(|_| band.rank.is_data());
                oldest = oldest.max(first.map_or(0, |frame| self.store.age(frame, now)));
            });
            queue.for_each_in_flight(&self.nodes, |frame, _| {
                if self.store.rank(frame).is_data() {
                    oldest = oldest.max(self.store.age(frame, now));
                }
            });
        }
        depth.oldest = Duration::from_micros(oldest).max(self.replies_depth(now, at).oldest);
        depth
    }

    /// Returns what waits for a connection, but for its age: in constant time.
    pub(crate) fn counted_depth(&self, at: u32) -> Depth {
        let (queue, replies) = (&self.conns[at].queue, self.replies_depth(self.now, at));
        Depth {
            messages: queue.messages() + replies.messages,
            bytes: queue.bytes() + replies.bytes,
            oldest: Duration::ZERO,
        }
    }

    /// Returns what waits for a connection in the reply buffer.
    fn replies_depth(&self, now: Timestamp, at: u32) -> Depth {
        if self.replies.owner() != Some(at) {
            return Depth::default();
        }
        Depth {
            messages: self.replies.messages(),
            bytes: self.replies.len() as u32,
            oldest: now.since(self.replies.meta().born),
        }
    }

    /// Returns what waits for a connection by priority, and the number of control frames.
    pub(crate) fn depths(&self, now: Timestamp, at: u32) -> (Vec<(u8, Depth)>, u32) {
        let (mut depths, mut control) = (Vec::new(), 0);
        let mut add = |rank: Rank, more: Depth| match rank.priority() {
            Some(priority) => add_depth(&mut depths, priority, more),
            None => control += more.messages,
        };
        let age = |frame| Duration::from_micros(self.store.age(frame, now));
        let queue = &self.conns[at].queue;
        queue.for_each_in_flight(&self.nodes, |frame, _| {
            let one = Depth {
                messages: self.store.messages(frame),
                bytes: self.store.len(frame),
                oldest: age(frame),
            };
            add(self.store.rank(frame), one);
        });
        queue.for_each_band(&self.nodes, |band| {
            let all = Depth {
                messages: band.frames,
                bytes: band.bytes,
                oldest: self.nodes.first(band.list).map(age).unwrap_or_default(),
            };
            add(band.rank, all);
        });
        if self.replies.owner() == Some(at) {
            add(self.replies.rank(), self.replies_depth(now, at));
        }
        (depths, control)
    }
}

fn add_depth(depths: &mut Vec<(u8, Depth)>, priority: u8, more: Depth) {
    match depths.binary_search_by_key(&priority, |&(priority, _)| priority) {
        Ok(at) => {
            let sum = &mut depths[at].1;
            sum.messages += more.messages;
            sum.bytes += more.bytes;
            sum.oldest = sum.oldest.max(more.oldest);
        }
        Err(at) => depths.insert(at, (priority, more)),
    }
}
