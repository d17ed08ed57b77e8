//! Owns the fast lane: the answers of the connection whose input is being
//! handled, which go out before the next read without passing through the
//! store. Short ones are put side by side; long ones stay in the scratch where
//! they were read, with a header where the mask was, and others close up to them.

use alloc::vec::Vec;
use core::ops::Range;

use crate::app::Handler;
use crate::delivery::frame::{FrameMeta, Rank};
use crate::delivery::queue::Limits;
use crate::proto::ws::header::{Tag, encode_unmasked, unmasked_len};
use crate::shard::engine::{Engine, SCRATCH};
use crate::time::{Timestamp, micros};

/// Answers that are not in any queue. They belong to one connection, have one
/// rank, and nothing of lower or higher rank waits beside them; so they are that
/// connection's queue, in another place.
#[derive(Debug, Default)]
pub(crate) struct ReplyBuffer {
    owner: Option<(u32, Rank)>,
    /// Since when.
    since: Option<Timestamp>,
    /// An adapter has taken it and not yet said how much it wrote.
    offered: bool,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// The length of each frame.
    frames: Vec<u32>,
    len: usize,
    /// What it takes besides.
    room: Limits,
    /// What is to be done in the scratch when it is free again.
    placement: Option<Placement>,
}

/// A frame that is to stand in the scratch, at `start`.
#[derive(Clone, Copy, Debug)]
struct Placement {
    start: usize,
    tag: Tag,
    /// Where its payload is, and how long.
    payload: usize,
    len: usize,
}

/// The scratch from `base` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<B> {
    pub(crate) bytes: B,
    pub(crate) base: usize,
}

#[derive(Clone, Debug)]
enum Piece {
    Copied(Range<usize>),
    Scratch(Range<usize>),
}

/// A payload from this length on stays in the scratch if it is the first; a shorter
/// one is cheaper to copy than to send in a slice of its own.
const STAY: usize = 1 << 10;
/// The same for one behind others, to which it would be copied.
const STAY_AMONG_OTHERS: usize = 2 << 10;
/// As many slices as one write takes, less some for what goes before.
const MOST_PIECES: usize = 24;

impl ReplyBuffer {
    pub(crate) const fn owner(&self) -> Option<u32> {
        match self.owner {
            Some((slot, _)) => Some(slot),
            None => None,
        }
    }

    /// Whether a frame of this rank may go behind those of this slot.
    pub(crate) fn admits(&self, slot: u32, rank: Rank) -> bool {
        self.owner == Some((slot, rank))
    }

    pub(crate) fn rank(&self) -> Rank {
        self.owner.map_or(Rank::LAST, |(_, rank)| rank)
    }

    pub(crate) const fn is_offered(&self) -> bool {
        self.offered
    }

    pub(crate) const fn set_offered(&mut self, offered: bool) {
        self.offered = offered;
    }

    /// Belongs to this slot from here on, whose queue has these limits.
    pub(crate) fn claim(&mut self, slot: u32, rank: Rank, now: Timestamp, limits: Limits) {
        debug_assert!(self.frames.is_empty());
        self.owner = Some((slot, rank));
        self.since = Some(now);
        self.room = limits;
    }

    /// Whether the limits hold with one more frame of this length, header included.
    pub(crate) fn has_room_for(&self, len: usize) -> bool {
        self.room.messages > 0 && len <= self.room.bytes as usize && !self.is_full()
    }

    /// Whether it takes no more, or as much is in it as was read.
    pub(crate) fn must_be_flushed(&self) -> bool {
        let Limits { messages, bytes } = self.room;
        messages == 0 || bytes == 0 || self.len >= SCRATCH || self.is_full()
    }

    /// What its frames are labelled with; the first has waited longest.
    pub(crate) fn label(&self) -> FrameMeta {
        FrameMeta {
            born: self.since.unwrap_or(Timestamp::ORIGIN),
            ..self.rank().into()
        }
    }

    pub(crate) fn messages(&self) -> u32 {
        self.frames.len() as u32
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory.
    pub(crate) const fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.pieces.capacity() * size_of::<Piece>()
            + self.frames.capacity() * size_of::<u32>()
    }

    fn is_full(&self) -> bool {
        self.pieces.len() >= MOST_PIECES
    }

    /// Adds a frame whose payload is copied.
    pub(crate) fn push(&mut self, tag: Tag, parts: [&[u8]; 2]) {
        let start = self.bytes.len();
        let (header, n) = encode_unmasked(tag, parts[0].len() + parts[1].len());
        // All ten bytes at once cost less than as many as are needed.
        self.bytes.extend_from_slice(&header);
        self.bytes.truncate(start + n);
        self.bytes.extend_from_slice(parts[0]);
        if !parts[1].is_empty() {
            self.bytes.extend_from_slice(parts[1]);
        }
        let end = self.bytes.len();
        match self.pieces.last_mut() {
            Some(Piece::Copied(range)) => range.end = end,
            _ => self.pieces.push(Piece::Copied(start..end)),
        }
        self.count(end - start);
    }

    /// Adds a frame whose payload stands at `payload` in the scratch behind the
    /// header it came with, and stays there, or closes up to the one before it. False
    /// if it is better copied.
    #[inline]
    pub(crate) fn push_in_place(&mut self, tag: Tag, payload: usize, len: usize) -> bool {
        let may_close_up = matches!(self.pieces.last(), Some(Piece::Scratch(_)));
        self.placement.is_none()
            && (len >= STAY || may_close_up)
            && self.stay_or_close_up(tag, payload, len)
    }

    #[inline(never)]
    fn stay_or_close_up(&mut self, tag: Tag, payload: usize, len: usize) -> bool {
        let whole = unmasked_len(len) + len;
        let stays = len >= STAY_AMONG_OTHERS || (len >= STAY && self.pieces.is_empty());
        // A client's header has four more bytes, the key; ours fits into it.
        let start = if stays {
            let start = payload + len - whole;
            self.pieces.push(Piece::Scratch(start..start + whole));
            start
        } else if let Some(Piece::Scratch(before)) = self.pieces.last_mut() {
            let start = before.end;
            before.end += whole;
            start
        } else {
            return false;
        };
        self.placement = Some(Placement {
            start,
            tag,
            payload,
            len,
        });
        self.count(whole);
        true
    }

    /// Whether some of it stands in the scratch.
    pub(crate) fn is_in_scratch(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Scratch(_)))
    }

    /// Does what had to wait while the payload was borrowed.
    #[inline]
    pub(crate) fn commit(&mut self, scratch: Part<&mut [u8]>) {
        if let Some(placement) = self.placement {
            self.placement = None;
            placement.commit(scratch);
        }
    }

    /// Its slices, in order.
    pub(crate) fn slices<'a>(&'a self, scratch: Part<&'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
        self.pieces.iter().map(move |piece| match piece {
            Piece::Copied(range) => &self.bytes[range.clone()],
            Piece::Scratch(range) => {
                &scratch.bytes[range.start - scratch.base..range.end - scratch.base]
            }
        })
    }

    /// After `written` bytes went out: calls `f` with the start and end of every
    /// frame that is not out to its last byte, and says how many are.
    pub(crate) fn unwritten(&self, written: usize, mut f: impl FnMut(usize, usize)) -> u64 {
        let (mut start, mut done) = (0, 0);
        for &len in &self.frames {
            let end = start + len as usize;
            if end <= written {
                done += 1;
            } else {
                f(start, end);
            }
            start = end;
        }
        done
    }

    /// Copies the frame between these two offsets to `out`.
    pub(crate) fn copy_out(
        &self,
        scratch: Part<&[u8]>,
        start: usize,
        end: usize,
        out: &mut Vec<u8>,
    ) {
        let mut at = 0;
        for slice in self.slices(scratch) {
            let from = start.clamp(at, at + slice.len()) - at;
            let to = end.clamp(at, at + slice.len()) - at;
            out.extend_from_slice(&slice[from..to]);
            at += slice.len();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.owner = None;
        self.since = None;
        self.offered = false;
        self.bytes.clear();
        self.pieces.clear();
        self.frames.clear();
        self.len = 0;
        self.placement = None;
    }

    fn count(&mut self, len: usize) {
        self.frames.push(len as u32);
        self.len += len;
        // An empty lane takes one frame of any length.
        self.room.messages = self.room.messages.saturating_sub(1);
        self.room.bytes = self.room.bytes.saturating_sub(len as u32);
    }
}

impl Placement {
    #[inline(never)]
    fn commit(self, scratch: Part<&mut [u8]>) {
        let (header, n) = encode_unmasked(self.tag, self.len);
        let start = self.start - scratch.base;
        let payload = self.payload - scratch.base;
        if payload > start + n {
            scratch
                .bytes
                .copy_within(payload..payload + self.len, start + n);
        }
        scratch.bytes[start..start + n].copy_from_slice(&header[..n]);
    }
}

impl<H: Handler> Engine<H> {
    /// Moves what is in the fast lane to its owner's queue, where it counts as
    /// before. So many bytes of it are out.
    pub(crate) fn spill_lane(&mut self, written: usize) {
        if written >= self.lane.len() {
            let done = self.lane.messages().into();
            self.count_written(self.lane.label(), done);
            self.lane.clear();
            return;
        }
        let scratch = core::mem::take(&mut self.scratch);
        self.spill_lane_from(
            Part {
                bytes: &scratch,
                base: 0,
            },
            written,
        );
        self.scratch = scratch;
    }

    fn spill_lane_from(&mut self, scratch: Part<&[u8]>, written: usize) {
        let Some(at) = self.lane.owner() else { return };
        let offered = self.lane.is_offered();
        let mut lane = core::mem::take(&mut self.lane);
        let label = lane.label();
        let mut bytes = self.workspace.buffers.take_for(self.lane.len());
        let done = lane.unwritten(written, |start, end| {
            bytes.clear();
            lane.copy_out(scratch, start, end, &mut bytes);
            let frame = self.store.adopt(label, &bytes);
            let out = written.saturating_sub(start) as u32;
            self.slots[at]
                .queue
                .adopt(&mut self.nodes, &self.store, frame, out, offered);
        });
        self.workspace.give(bytes);
        self.count_written(label, done);
        lane.clear();
        self.lane = lane;
        if !self.slots[at].queue.is_empty() {
            self.line_up(at);
        }
    }

    /// Counts frames of the lane that are out to their last byte.
    fn count_written(&mut self, label: FrameMeta, done: u64) {
        if done > 0
            && let Some(priority) = label.rank.priority()
        {
            self.counts.delivery.written += done;
            let age = micros(self.now.since(label.born));
            self.counts.priorities.written(priority, age, done);
        }
    }

    /// Whether the lane has pieces in the scratch while somebody else looks at
    /// that; then it cannot be spilled yet, and what must come behind it waits
    /// in `late`.
    pub(crate) fn lane_is_held(&self) -> bool {
        self.scratch.is_empty() && self.lane.is_in_scratch()
    }

    /// After a callback: does what could not be done while its message was borrowed.
    #[inline]
    pub(crate) fn settle_lane(&mut self, scratch: Part<&mut [u8]>) {
        if self.lane.placement.is_some() || !self.late.is_empty() {
            self.settle_lane_now(scratch);
        }
    }

    fn settle_lane_now(&mut self, scratch: Part<&mut [u8]>) {
        let Part { bytes, base } = scratch;
        self.lane.commit(Part {
            bytes: &mut *bytes,
            base,
        });
        if self.late.is_empty() {
            return;
        }
        let owner = self.lane.owner();
        self.spill_lane_from(Part { bytes, base }, 0);
        let mut late = core::mem::take(&mut self.late);
        for (frame, overflow) in late.drain(..) {
            if let Some(at) = owner {
                self.push_counted(at, frame, overflow);
            }
            self.store.release(frame);
        }
        self.late = late;
    }
}
