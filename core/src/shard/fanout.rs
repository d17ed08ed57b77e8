//! Owns the delivery of a publication to the members on this shard: encoded
//! once, copied once, queued by reference.

use super::engine::Engine;
use super::letter::Publication;
use super::slot::Phase;
use crate::frame::{FrameId, Rank};
use crate::handler::Handler;

impl<H: Handler> Engine<H> {
    /// Queues a publication for everyone on this shard whom it concerns.
    pub(super) fn fan_out(&mut self, publication: &Publication) {
        let Publication {
            room,
            from,
            exclude_sender,
            kind,
            priority,
            payload,
            ..
        } = publication;
        let but = if *exclude_sender {
            self.slots.find(*from)
        } else {
            None
        };
        let rank = Rank::data(*priority);
        match room {
            Some(name) => {
                let Some(room) = self.rooms.find(name) else {
                    return;
                };
                if self.rooms.members(room).is_empty() {
                    return;
                }
                let frame = self.store.encode_shared(rank, kind.opcode(), payload);
                self.fan_out_frame(room, frame, but);
            }
            None => {
                let frame = self.store.encode_shared(rank, kind.opcode(), payload);
                self.fan_out_to_all(frame, but);
            }
        }
    }

    /// Queues a frame for the members of a room, and gives its reference away.
    pub(super) fn fan_out_frame(&mut self, room: u32, frame: FrameId, but: Option<u32>) {
        self.counts.rooms.copied += 1;
        let members = self.rooms.members(room).len();
        for i in 0..members {
            let at = self.rooms.members(room)[i];
            if but != Some(at) {
                self.counts.rooms.offered += 1;
                self.push(at, frame);
            }
        }
        self.store.release(frame);
    }

    /// Queues a frame for every open connection, and gives its reference away.
    pub(super) fn fan_out_to_all(&mut self, frame: FrameId, but: Option<u32>) {
        self.counts.rooms.copied += 1;
        for at in 0..self.slots.len() {
            if but != Some(at) && self.slots[at].phase == Phase::Open {
                self.counts.rooms.offered += 1;
                self.push(at, frame);
            }
        }
        self.store.release(frame);
    }
}
