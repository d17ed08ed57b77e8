//! Owns the choice among a shard's connections: those in a room, those that
//! have waited long, those with the deepest queues.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use bytes::Bytes;

use crate::app::Handler;
use crate::delivery::Depth;
use crate::inspect::connection_info::ConnectionInfo;
use crate::session::slot::Phase;
use crate::shard::Shard;
use crate::shard::engine::Engine;
use crate::time::Timestamp;

/// Which connections are wanted, and in which order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionQuery {
    /// Members of this room only.
    pub room: Option<Bytes>,
    /// Those for whom at least so many messages wait.
    pub min_messages: u32,
    /// Those for whom at least so many bytes wait.
    pub min_bytes: u32,
    /// Those for whom something has waited for at least so long.
    pub min_age: Duration,
    /// Which come first.
    pub order: SortBy,
    /// How many at most; not more than [`MOST`](Self::MOST).
    pub most: usize,
}

/// Which connections come first: those with the most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SortBy {
    /// Messages that wait.
    #[default]
    Messages,
    /// Bytes that wait.
    Bytes,
    /// Time that what waits has waited.
    Age,
}

/// The connections that were wanted, the first of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ConnectionList {
    /// How many there are in all.
    pub matching: usize,
    /// As many as were asked for, in order.
    pub connections: Vec<ConnectionInfo>,
}

impl ConnectionQuery {
    /// The most connections that one look at a shard explains.
    pub const MOST: usize = 1_000;

    fn admits(&self, depth: Depth) -> bool {
        depth.messages >= self.min_messages && depth.bytes >= self.min_bytes
    }
}

impl Default for ConnectionQuery {
    fn default() -> Self {
        Self {
            room: None,
            min_messages: 0,
            min_bytes: 0,
            min_age: Duration::ZERO,
            order: SortBy::default(),
            most: Self::MOST,
        }
    }
}

impl SortBy {
    /// What connections are put in order by, the greatest first.
    pub fn key(self, depth: Depth) -> u64 {
        match self {
            Self::Messages => depth.messages.into(),
            Self::Bytes => depth.bytes.into(),
            Self::Age => depth.oldest.as_micros() as u64,
        }
    }
}

impl<H: Handler> Shard<H> {
    /// The sockets it holds that are wanted, explained. Looks at all of them, or
    /// at the members of the room, and explains at most [`ConnectionQuery::MOST`]: for
    /// somebody who asks, not for a loop.
    pub fn connections(&self, now: Timestamp, filter: &ConnectionQuery) -> ConnectionList {
        self.engine.connections(now, filter)
    }
}

impl<H: Handler> Engine<H> {
    fn connections(&self, now: Timestamp, filter: &ConnectionQuery) -> ConnectionList {
        let most = filter.most.min(ConnectionQuery::MOST);
        let mut matching = 0;
        // The last of those chosen is on top. Among equals, the lower slots are.
        let mut chosen = BinaryHeap::new();
        let mut look = |at: u32| {
            let Some(depth) = self.wanted(now, at, filter) else {
                return;
            };
            matching += 1;
            let place = (Reverse(filter.order.key(depth)), at);
            if chosen.len() < most {
                chosen.push(place);
            } else if chosen.peek().is_some_and(|last| place < *last) {
                chosen.pop();
                chosen.push(place);
            }
        };
        match &filter.room {
            Some(name) => {
                let room = self.rooms.find(name);
                let members = room.map_or(&[][..], |room| self.rooms.members(room));
                members.iter().copied().for_each(&mut look);
            }
            None => self.slots.iter().for_each(|(at, _)| look(at)),
        }
        let chosen = chosen.into_sorted_vec().into_iter();
        ConnectionList {
            matching,
            connections: chosen.map(|(_, at)| self.explain(now, at)).collect(),
        }
    }

    /// What waits for a connection, if it is wanted.
    fn wanted(&self, now: Timestamp, at: u32, filter: &ConnectionQuery) -> Option<Depth> {
        if self.slots[at].phase == Phase::Gone {
            return None;
        }
        let needs_age = filter.min_age > Duration::ZERO || filter.order == SortBy::Age;
        let mut depth = self.out.counted_depth(at);
        if !filter.admits(depth) {
            return None;
        }
        if needs_age {
            depth = self.out.depth(now, at);
        }
        (depth.oldest >= filter.min_age).then_some(depth)
    }
}
