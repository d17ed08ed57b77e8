//! Owns what a connection is told about its own messages: by the fast lane
//! while its input is being handled, or through its queue.

use crate::app::{Backpressure, Handler};
use crate::delivery::frame::{FrameMeta, Key, Rank};
use crate::delivery::queue::{OverflowPolicy, SendOptions};
use crate::proto::ws::header::{Tag, unmasked_len};
use crate::proto::ws::opcode::MessageType;
use crate::session::deferred::Wait;
use crate::session::slot::Phase;
use crate::shard::engine::Engine;
use crate::time::Timestamp;

/// Where the message that is being handled stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageRef {
    /// Its payload's place in the scratch, if it is there.
    at: Option<usize>,
    /// The address of its payload, to tell whether a reply is part of it.
    address: usize,
    len: usize,
}

impl MessageRef {
    pub(crate) fn new(at: Option<usize>, payload: &[u8]) -> Self {
        let address = payload.as_ptr() as usize;
        Self {
            at,
            address,
            len: payload.len(),
        }
    }

    /// The place in the scratch of a slice that is part of the message.
    fn place(self, slice: &[u8]) -> Option<usize> {
        let offset = (slice.as_ptr() as usize).checked_sub(self.address)?;
        (offset + slice.len() <= self.len).then_some(self.at? + offset)
    }
}

impl<H: Handler> Engine<H> {
    /// Queues a message for the connection whose callback is running.
    pub(crate) fn reply(
        &mut self,
        at: u32,
        here: Option<MessageRef>,
        kind: MessageType,
        options: SendOptions,
        parts: [&[u8]; 2],
    ) -> Result<(), Wait> {
        self.end_volley();
        let tag = kind.opcode().into();
        if self.packs_at_once(at, parts[0].len() + parts[1].len()) {
            return self.reply_packed(at, here, kind, options, parts);
        }
        self.reply_with(at, here, options, tag, parts)
    }

    #[inline(never)]
    fn reply_packed(
        &mut self,
        at: u32,
        here: Option<MessageRef>,
        kind: MessageType,
        options: SendOptions,
        parts: [&[u8]; 2],
    ) -> Result<(), Wait> {
        let opcode = kind.opcode();
        let mut packed = self.workspace.buffers.take_for(parts[0].len());
        let conn = &mut self.slots[at].conn;
        let answered = if conn.deflate(&mut self.workspace, parts, &mut packed) {
            self.reply_with(at, here, options, Tag::compressed(opcode), [&packed, &[]])
        } else {
            self.reply_with(at, here, options, opcode.into(), parts)
        };
        self.workspace.give(packed);
        answered
    }

    fn reply_with(
        &mut self,
        at: u32,
        here: Option<MessageRef>,
        options: SendOptions,
        tag: Tag,
        parts: [&[u8]; 2],
    ) -> Result<(), Wait> {
        let payload_len = parts[0].len() + parts[1].len();
        let len = unmasked_len(payload_len) + payload_len;
        let rank = Rank::data(options.priority);
        if let Some(here) = here
            && options.is_plain()
            && self.slots[at].phase == Phase::Open
            && self.lane_takes(at, rank, len)
        {
            self.reply_in_lane(at, here, rank, tag, parts);
            return Ok(());
        }
        self.reply_in_queue(at, options, tag, parts, len as u32)
    }

    /// Adds a reply to the lane, which has room for it.
    #[inline]
    fn reply_in_lane(
        &mut self,
        at: u32,
        here: MessageRef,
        rank: Rank,
        tag: Tag,
        parts: [&[u8]; 2],
    ) {
        let place = if parts[1].is_empty() {
            here.place(parts[0])
        } else {
            None
        };
        let in_place =
            place.is_some_and(|place| self.lane.push_in_place(tag, place, parts[0].len()));
        if !in_place {
            self.lane.push(tag, parts);
        }
        self.counts.delivery.offered += 1;
        self.counts.delivery.queued += 1;
        if self.lane.must_be_flushed() {
            self.press(at);
        }
        self.line_up_for(at, rank);
    }

    #[inline(never)]
    fn reply_in_queue(
        &mut self,
        at: u32,
        options: SendOptions,
        tag: Tag,
        parts: [&[u8]; 2],
        len: u32,
    ) -> Result<(), Wait> {
        let limits = self.limits();
        if self.lane.owner() == Some(at) && !self.lane_is_held() {
            self.spill_lane(0);
        }
        let slot = &self.slots[at];
        let has_room = self.lane.owner() != Some(at) && slot.queue.has_room(len, limits);
        let waits = H::OVERFLOW == Backpressure::PauseReads
            && options.overflow != OverflowPolicy::Disconnect;
        if waits && slot.phase == Phase::Open && !has_room {
            return Err(Wait::Queue);
        }
        let label = self.label(None, options, self.now);
        let frame = self.store.encode_parts(label, tag, parts);
        self.push(at, frame, options.overflow);
        self.store.release(frame);
        Ok(())
    }

    /// What a message is labelled with that is said in this room, or in none.
    pub(crate) fn label(
        &self,
        room: Option<&[u8]>,
        options: SendOptions,
        published: Timestamp,
    ) -> FrameMeta {
        let scope = || room.map_or(0, |name| self.rooms.scope(name));
        FrameMeta {
            rank: Rank::data(options.priority),
            born: published,
            deadline: options.ttl.map(|ttl| published.after(ttl)),
            key: options.key.map(|name| Key {
                scope: scope(),
                name,
            }),
        }
    }

    /// Whether a reply of this rank and length takes the fast lane: nothing
    /// else waits, not even behind the lane, the limits hold there too, and it need
    /// not be compressed in the order in which it goes out.
    #[inline]
    fn lane_takes(&mut self, at: u32, rank: Rank, len: usize) -> bool {
        if self.lane.admits(at, rank) {
            return self.lane.has_room_for(len) && self.late.is_empty();
        }
        let may_claim = self.may_claim_lane(at);
        if may_claim {
            self.lane.claim(at, rank, self.now, self.limits());
        }
        may_claim
    }

    fn may_claim_lane(&self, at: u32) -> bool {
        let slot = &self.slots[at];
        self.lane.owner().is_none()
            && slot.queue.messages() == 0
            && !slot.queue.in_flight()
            && !slot.flags.blocked
            && !slot.conn.keeps_context()
    }
}
