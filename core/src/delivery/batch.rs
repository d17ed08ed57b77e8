//! Owns what is said to a room in one go: messages that came in one read, to the same
//! members and in the same way, are held back until something else happens, and then
//! delivered together. So a member costs no more for all of them than for one.

use alloc::vec::Vec;

use crate::app::Handler;
use crate::config::Config;
use crate::delivery::frame::{FrameId, FrameMeta};
use crate::delivery::queue::OverflowPolicy;
use crate::delivery::variants::EncodedVariants;
use crate::proto::ws::header::unmasked_len;
use crate::session::slot::Phase;
use crate::shard::engine::Engine;
use crate::time::Timestamp;

/// Frames that are held back.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Whether anything may be: while somebody sees to its end.
    is_open: bool,
    to: Option<Recipients>,
    frames: Vec<FrameId>,
    bytes: usize,
}

/// Who gets them, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Recipients {
    room: u32,
    but: Option<u32>,
    priority: Option<u8>,
    overflow: OverflowPolicy,
    published: Timestamp,
}

impl Recipients {
    pub(crate) fn new(room: u32, editions: &EncodedVariants<'_>, but: Option<u32>) -> Self {
        Self {
            room,
            but,
            priority: editions.label().rank.priority(),
            overflow: editions.overflow(),
            published: editions.label().born,
        }
    }
}

impl<H: Handler> Engine<H> {
    /// From here to [`end_volleys`](Self::end_volleys), what is said may be held back.
    pub(crate) const fn begin_volleys(&mut self) {
        self.volley.is_open = true;
    }

    /// Delivers what is held back; nothing more is.
    #[inline]
    pub(crate) fn end_volleys(&mut self) {
        self.end_volley();
        self.volley.is_open = false;
    }

    /// Says something to the members of a room here, now or a little later.
    pub(crate) fn say_to_room(
        &mut self,
        room: u32,
        mut editions: EncodedVariants<'_>,
        but: Option<u32>,
    ) {
        let to = Recipients::new(room, &editions, but);
        let may_wait = self.volley.is_open && self.may_be_part(to, &editions);
        let len = editions.payload_len();
        if !(may_wait && self.volley.to == Some(to) && self.has_room_for(room, len)) {
            self.end_volley();
        }
        if !(may_wait && self.has_room_for(room, len)) {
            self.fan_out_to_room(room, editions, but);
            return;
        }
        let frame = self.edition_to_keep(&mut editions);
        self.volley.to = Some(to);
        self.volley.bytes += self.store.len(frame) as usize;
        self.volley.frames.push(frame);
    }

    /// Whether it makes no difference to anyone that it waits for what comes next.
    fn may_be_part(&self, to: Recipients, editions: &EncodedVariants<'_>) -> bool {
        let is_heard = self.rooms.members(to.room).len() > usize::from(to.but.is_some());
        is_heard
            && self.may_be_in_volley(editions)
            // What comes behind the lane is to be known as such at once.
            && !self.lane_is_held()
    }

    /// Whether it may be one of several messages that are queued as one frame.
    pub(crate) fn may_be_in_volley(&self, editions: &EncodedVariants<'_>) -> bool {
        let FrameMeta { deadline, key, .. } = editions.label();
        editions.payload_len() <= LONGEST
            && !editions.packs()
            && deadline.is_none()
            && key.is_none()
            // The rule against starvation counts single messages.
            && self.starvation.after == 0
    }

    /// How many messages a volley may be.
    pub(crate) fn most_volley_messages(&self) -> usize {
        MOST_MESSAGES.min(self.config.queue_messages / 4)
    }

    /// How many bytes a volley may have.
    pub(crate) fn most_volley_bytes(&self) -> usize {
        most_held_back(&self.config)
    }

    /// Delivers what is held back: before anything else is queued for anybody, before
    /// a room has a member more or less, and before what is queued is counted.
    #[inline]
    pub(crate) fn end_volley(&mut self) {
        if let Some(to) = self.volley.to.take() {
            self.deliver_volley(to);
        }
    }

    fn deliver_volley(&mut self, to: Recipients) {
        let mut frames = core::mem::take(&mut self.volley.frames);
        self.volley.bytes = 0;
        // One alone is queued in the same way; what cannot be joined, in turn.
        let volley = match frames[..] {
            [one] => Some(one),
            _ => self.store.join(&frames),
        };
        let mut spared = 0;
        for i in 0..self.rooms.members(to.room).len() {
            let at = self.rooms.members(to.room)[i];
            if to.but == Some(at) {
                continue;
            }
            self.counts.rooms.offered += frames.len() as u64;
            if volley.is_some_and(|volley| self.push_volley(at, volley)) {
                spared += frames.len() as u64 - 1;
            } else {
                for &frame in &frames {
                    self.push(at, frame, to.overflow);
                }
            }
        }
        self.exempt(spared);
        match volley {
            Some(volley) => self.store.release(volley),
            None => frames.iter().for_each(|&frame| self.store.release(frame)),
        }
        frames.clear();
        self.volley.frames = frames;
    }

    /// Queues a volley as one frame, where that makes no difference: not where a part
    /// of it has to go, or is written in a form of its own.
    // Twice as code is cheaper than a call for each member.
    #[inline(always)]
    pub(crate) fn push_volley(&mut self, at: u32, volley: FrameId) -> bool {
        let limits = self.limits();
        let slot = &mut self.slots[at];
        let takes_it = slot.phase == Phase::Open
            && !slot.flags.slow
            && !slot.conn.keeps_context()
            && self.lane.owner() != Some(at);
        if !takes_it
            || !slot
                .queue
                .push_volley(&mut self.nodes, &self.store, limits, volley)
        {
            return false;
        }
        self.counts.delivery.offered += u64::from(self.store.messages(volley));
        self.queued(at, volley);
        true
    }

    /// Whether a message of so many bytes to this room may be held back beside the
    /// others. So few may be that no queue runs over which did not press.
    fn has_room_for(&self, room: u32, len: usize) -> bool {
        let messages = self.volley.frames.len() + 1;
        let bytes = self.volley.bytes + unmasked_len(len) + len;
        messages <= self.most_volley_messages()
            && bytes <= self.most_volley_bytes()
            && messages * self.rooms.members(room).len() <= MOST_DELIVERIES
    }
}

/// How many bytes may be held back.
pub(crate) fn most_held_back(config: &Config) -> usize {
    MOST_BYTES.min(config.queue_bytes / 8)
}

/// Messages held back at most.
const MOST_MESSAGES: usize = 64;
/// Bytes held back at most, as they are sent.
const MOST_BYTES: usize = 16 << 10;
/// The longest payload that is held back, in bytes.
const LONGEST: usize = 4 << 10;
/// Deliveries held back at most; they are offered at a stretch.
const MOST_DELIVERIES: usize = 1 << 14;
