//! Batches in the reference queue: several messages that wait as one frame. The reference queue
//! treats them as separate messages that are offered together.

use super::NaiveQueue;
use super::naive::{Class, NaiveFrame};

/// Of which volley a message is still a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BatchPart {
    volley: u64,
    of: usize,
}

impl NaiveQueue {
    /// Returns whether there is room for so many messages of so many bytes each.
    pub fn has_room_for_all(&self, count: usize, len: usize) -> bool {
        let (messages, bytes) = self.data();
        messages + count <= self.messages && bytes + count * len <= self.bytes
    }

    /// Queues so many messages of this length, for which there is room.
    pub fn push_volley(&mut self, priority: u8, count: usize, len: usize) {
        let part = BatchPart {
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
            let whole = |frame: &&NaiveFrame| frame.part == Some(part) && frame.written == 0;
            if self.waiting.iter().filter(whole).count() < part.of {
                self.waiting[at].part = None;
            }
        }
    }
}
