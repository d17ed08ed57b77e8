//! Owns volleys in the queue on its own: several messages that wait as one frame. To
//! the oracle they are messages like others, only that they are offered together.

use alloc::vec::Vec;

use crate::delivery::frame::{FrameId, Rank};
use crate::proto::ws::opcode::Opcode;
use crate::testing::queue::naive::{Class, Frame};
use crate::testing::queue::{LoneQueue, NaiveQueue};

/// Of which volley a message is still a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    volley: u64,
    of: usize,
}

impl LoneQueue {
    /// Queues these messages as one, and says whether it has. Otherwise nothing is
    /// done: there is no room, or they do not stand side by side.
    pub fn push_volley(&mut self, priority: u8, payloads: &[Vec<u8>]) -> bool {
        if self.starvation.after > 0 {
            return false;
        }
        let first = self.next;
        let parts: Vec<FrameId> = payloads
            .iter()
            .map(|payload| self.encode(Rank::data(priority), Opcode::Binary, payload))
            .collect();
        let volley = self.store.merge(&parts);
        let (queue, nodes, store) = (&mut self.queue, &mut self.nodes, &self.store);
        let limits = self.limits;
        let is_queued = volley.is_some_and(|volley| queue.push_batch(nodes, store, limits, volley));
        if !is_queued {
            self.next = first;
            self.release_all(volley.map_or(parts, |volley| alloc::vec![volley]));
        }
        is_queued
    }
}

impl NaiveQueue {
    /// Whether there is room for so many messages of so many bytes each.
    pub fn has_room_for_all(&self, count: usize, len: usize) -> bool {
        let (messages, bytes) = self.data();
        messages + count <= self.messages && bytes + count * len <= self.bytes
    }

    /// Queues so many messages of this length, for which there is room.
    pub fn push_volley(&mut self, priority: u8, count: usize, len: usize) {
        let part = Part {
            volley: self.next,
            of: count,
        };
        for _ in 0..count {
            let mut frame = self.frame(Class::Data(priority), len);
            frame.part = Some(part);
            self.waiting.push(frame);
        }
    }

    /// A volley of which something has gone, or begun to, is no volley any more.
    pub(super) fn scatter_broken(&mut self) {
        for at in 0..self.waiting.len() {
            let Some(part) = self.waiting[at].part else {
                continue;
            };
            let whole = |frame: &&Frame| frame.part == Some(part) && frame.written == 0;
            if self.waiting.iter().filter(whole).count() < part.of {
                self.waiting[at].part = None;
            }
        }
    }
}
