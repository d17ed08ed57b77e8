//! Reply buffer: the replies to the connection whose input is handled. They are written before the
//! next read without passing through the store. Short replies are adjacent; long ones stay in the
//! scratch buffer where they were read, with a header in place of the mask.

use alloc::vec::Vec;
use core::ops::Range;

use crate::delivery::frame::{FrameMeta, Rank};
use crate::delivery::queue::Limits;
use crate::delivery::{Outbound, SCRATCH};
use crate::proto::wire::FrameTag;
use crate::time::{Timestamp, micros};

/// Replies that are not in any queue. They belong to one connection and have one rank, and
/// nothing else waits for that connection; so they are its queue, in another place.
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
    tag: FrameTag,
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
const MIN_IN_PLACE: usize = 1 << 10;
/// The same for one behind others, to which it would be copied.
const MIN_IN_PLACE_BEHIND_OTHERS: usize = 2 << 10;
/// As many slices as one write takes, less some for what goes before.
const MAX_PIECES: usize = 24;

impl ReplyBuffer {
    pub(crate) const fn owner(&self) -> Option<u32> {
        match self.owner {
            Some((slot, _)) => Some(slot),
            None => None,
        }
    }

    /// Returns whether a frame of this rank may go behind those of this slot.
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

    /// Returns whether the limits hold with one more frame of this length, header included.
    pub(crate) fn has_room_for(&self, len: usize) -> bool {
        self.room.messages > 0 && len <= self.room.bytes as usize && !self.is_full()
    }

    /// Returns whether it takes no more, or as much is in it as was read.
    pub(crate) fn must_be_flushed(&self) -> bool {
        let Limits { messages, bytes } = self.room;
        messages == 0 || bytes == 0 || self.len >= SCRATCH || self.is_full()
    }

    /// Returns the metadata of its frames; the first has waited longest.
    pub(crate) fn meta(&self) -> FrameMeta {
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

    /// Returns the bytes of memory.
    pub(crate) const fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.pieces.capacity() * size_of::<Piece>()
            + self.frames.capacity() * size_of::<u32>()
    }

    fn is_full(&self) -> bool {
        self.pieces.len() >= MAX_PIECES
    }

    /// Adds a frame whose payload is copied.
    pub(crate) fn push(&mut self, tag: FrameTag, parts: [&[u8]; 2]) {
        let start = self.bytes.len();
        let (header, n) = tag.prefix(parts[0].len() + parts[1].len());
        // All ten bytes at once cost less than as many as are needed.
        self.bytes.extend_from_slice(&header);
        self.bytes.truncate(start + n);
        self.bytes.extend_from_slice(parts[0]);
        if !parts[1].is_empty() {
            self.bytes.extend_from_slice(parts[1]);
        }
        let suffix = tag.suffix();
        if !suffix.is_empty() {
            self.bytes.extend_from_slice(suffix);
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
    pub(crate) fn push_in_place(&mut self, tag: FrameTag, payload: usize, len: usize) -> bool {
        let may_close_up = matches!(self.pieces.last(), Some(Piece::Scratch(_)));
        self.placement.is_none()
            && tag.is_websocket()
            && (len >= MIN_IN_PLACE || may_close_up)
            && self.stay_or_close_up(tag, payload, len)
    }

    #[inline(never)]
    fn stay_or_close_up(&mut self, tag: FrameTag, payload: usize, len: usize) -> bool {
        let whole = tag.framed_len(len);
        let stays =
            len >= MIN_IN_PLACE_BEHIND_OTHERS || (len >= MIN_IN_PLACE && self.pieces.is_empty());
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

    /// Returns whether a frame is to be put in place once the scratch is free.
    #[inline]
    pub(crate) const fn has_placement(&self) -> bool {
        self.placement.is_some()
    }

    /// Returns whether some of it stands in the scratch.
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

    /// Returns its slices, in order.
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
        let (header, n) = self.tag.prefix(self.len);
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

impl Outbound {
    /// Moves what is in the reply buffer to its owner's queue, where it counts as before.
    /// `written` bytes of it are out.
    pub(super) fn spill_replies(&mut self, written: usize) {
        if written >= self.replies.len() {
            let done = self.replies.messages().into();
            self.count_replies_written(self.replies.meta(), done);
            self.replies.clear();
            return;
        }
        let scratch = core::mem::take(&mut self.scratch.bytes);
        let all = Part {
            bytes: &scratch[..],
            base: 0,
        };
        self.spill_replies_from(all, written);
        self.scratch.bytes = scratch;
    }

    /// [`spill_replies`](Self::spill_replies) while the scratch is lent.
    pub(super) fn spill_replies_from(&mut self, scratch: Part<&[u8]>, written: usize) {
        let Some(at) = self.replies.owner() else {
            return;
        };
        let offered = self.replies.is_offered();
        let mut replies = core::mem::take(&mut self.replies);
        let meta = replies.meta();
        let mut bytes = self.buffers.take(0);
        let done = replies.unwritten(written, |start, end| {
            bytes.clear();
            replies.copy_out(scratch, start, end, &mut bytes);
            let frame = self.store.adopt(meta, &bytes);
            let out = written.saturating_sub(start) as u32;
            self.conns[at]
                .queue
                .adopt(&mut self.nodes, &self.store, frame, out, offered);
        });
        self.buffers.give(bytes);
        self.count_replies_written(meta, done);
        replies.clear();
        self.replies = replies;
        if !self.conns[at].queue.is_empty() {
            self.schedule(at);
        }
    }

    /// Counts replies that are out to their last byte.
    fn count_replies_written(&mut self, meta: FrameMeta, done: u64) {
        if done > 0
            && let Some(priority) = meta.rank.priority()
        {
            self.counts.delivery.written += done;
            let age = micros(self.now.since(meta.born));
            self.counts.priorities.written(priority, age, done);
        }
    }

    /// Returns whether replies stand in the scratch while that is lent: then they cannot be
    /// spilled yet, and what must come behind them is deferred.
    #[inline]
    pub(crate) fn replies_are_held(&self) -> bool {
        self.scratch.is_lent && self.replies.is_in_scratch()
    }

    /// Returns the connection whose replies are in the reply buffer.
    pub(crate) const fn replies_owner(&self) -> Option<u32> {
        self.replies.owner()
    }

    /// Moves all replies to the queue of their owner, so that the scratch is free.
    #[inline]
    pub(crate) fn vacate_scratch(&mut self) {
        if self.replies.owner().is_some() {
            self.spill_replies(0);
        }
    }
}
