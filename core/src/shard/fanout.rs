//! Owns the delivery of a publication to the members on this shard: encoded
//! once, copied once, queued by reference.

use super::engine::Engine;
use super::letter::{Origin, Publication};
use super::packing::Editions;
use super::slot::Phase;
use crate::handler::Handler;

impl<H: Handler> Engine<H> {
    /// Queues a publication for everyone on this shard whom it concerns.
    pub(super) fn fan_out(&mut self, publication: &Publication) {
        let but = match publication.origin {
            Origin::Conn(from) if publication.exclude_sender => self.slots.find(from.conn),
            Origin::Conn(_) | Origin::Outside(_) => None,
        };
        let editions = self.editions_shared(publication);
        match &publication.room {
            Some(name) => {
                if let Some(room) = self.rooms.find(name) {
                    self.say_to_room(room, editions, but);
                }
            }
            None => self.fan_out_to_all(editions, but),
        }
    }

    /// Queues what is said for the members of a room.
    pub(super) fn fan_out_to_room(
        &mut self,
        room: u32,
        mut editions: Editions<'_>,
        but: Option<u32>,
    ) {
        let members = self.rooms.members(room).len();
        for i in 0..members {
            let at = self.rooms.members(room)[i];
            if but != Some(at) {
                self.counts.rooms.offered += 1;
                let frame = self.edition(&mut editions, at);
                self.push(at, frame, editions.when_full());
            }
        }
        self.end_editions(&editions);
    }

    /// Queues what is said for every open connection.
    pub(super) fn fan_out_to_all(&mut self, mut editions: Editions<'_>, but: Option<u32>) {
        for at in 0..self.slots.len() {
            if but != Some(at) && self.slots[at].phase == Phase::Open {
                self.counts.rooms.offered += 1;
                let frame = self.edition(&mut editions, at);
                self.push(at, frame, editions.when_full());
            }
        }
        self.end_editions(&editions);
    }
}
