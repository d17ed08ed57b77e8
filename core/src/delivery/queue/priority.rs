//! Bounded priority queue of one connection: the next frame, and the frames in flight to the
//! socket. `admission` contains what happens at a full queue, `split` the removal of a part of a
//! batch.

mod admission;
mod bands;
mod lane;
mod split;
mod stream;

use crate::delivery::frame::{FrameId, Rank, Store};
use crate::delivery::queue::drop_reason::{DropReason, PushError};
use crate::delivery::queue::list::{Band, ConflationKey, End, List, Nodes};
use crate::delivery::queue::send_options::OverflowPolicy;
use crate::time::Timestamp;
use split::split_batch;

/// How much data may wait for one connection. An empty queue takes one message
/// of any size.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) messages: u32,
    pub(crate) bytes: u32,
}

/// When the urgent must let others pass: after so many messages, if one has
/// waited for longer than so many microseconds. Never, after none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starvation {
    pub(crate) after: u16,
    pub(crate) wait: u64,
}

/// A message that is to be queued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) frame: FrameId,
    pub(crate) overflow: OverflowPolicy,
    pub(crate) now: Timestamp,
}

/// What waits for one connection.
///
/// A frame is in a band (waiting among its rank) or in flight (offered to the
/// socket). Only the first in flight can be partly written, and it alone is
/// pinned: [`settle`](Self::settle) puts the others back where they were. A batch is
/// one frame until a part of it must go without the others.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The slot whose queue it is, which its keys are known by.
    owner: u32,
    /// The most urgent band; each names the next.
    bands: u32,
    flight: List,
    /// Data messages here, those in flight included.
    messages: u32,
    /// Their bytes; of a message partly written, all.
    bytes: u32,
    /// How much of the first frame in flight is out.
    written: u32,
    /// Data messages launched since one last went out of turn.
    streak: u16,
    /// Whether the last in flight goes out of turn. Nothing follows it.
    out_of_turn: bool,
    /// Pushes here, those in flight included.
    pushes: u8,
}

const _: () = assert!(size_of::<Queue>() == 32);

impl Queue {
    /// Returns the slot whose queue it is.
    pub(crate) const fn owner(&self) -> u32 {
        self.owner
    }

    pub(crate) const fn new(owner: u32) -> Self {
        Self {
            owner,
            bands: 0,
            flight: List::EMPTY,
            messages: 0,
            bytes: 0,
            written: 0,
            streak: 0,
            out_of_turn: false,
            pushes: 0,
        }
    }

    /// Returns the number of data messages that wait, in flight or not.
    pub(crate) const fn messages(&self) -> u32 {
        self.messages
    }

    pub(crate) const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Returns whether nothing is here, not even a control frame.
    pub(crate) const fn is_empty(&self) -> bool {
        self.bands == 0 && self.flight.is_empty()
    }

    /// Returns whether something has been offered to the socket and not settled, or is partly out.
    pub(crate) const fn in_flight(&self) -> bool {
        !self.flight.is_empty()
    }

    /// Returns how urgent the most urgent is that waits; of what is in flight, only the first.
    pub(crate) fn rank(&self, nodes: &Nodes, store: &Store) -> Rank {
        let in_flight = nodes.first(self.flight).map(|frame| store.rank(frame));
        let in_band = nodes.band(self.bands).map(|band| band.rank);
        in_flight
            .into_iter()
            .chain(in_band)
            .min()
            .unwrap_or(Rank::LAST)
    }

    /// Returns whether messages of more than one priority wait, of those in flight only the first
    /// looked at.
    pub(crate) fn has_several_priorities(&self, nodes: &Nodes, store: &Store) -> bool {
        let mut seen = nodes.first(self.flight).map(|frame| store.rank(frame));
        seen = seen.filter(|rank| rank.is_data());
        let mut are_several = false;
        self.for_each_band(nodes, |band| {
            if band.rank.is_data() {
                are_several |= seen.is_some_and(|seen| seen != band.rank);
                seen = Some(band.rank);
            }
        });
        are_several
    }

    fn subject(&self, store: &Store, frame: FrameId) -> Option<ConflationKey> {
        Some(ConflationKey {
            owner: self.owner,
            rank: store.rank(frame),
            key: store.key(frame)?,
        })
    }

    /// Queues a control frame, or one that must come last. They are not data:
    /// no limit holds for them here, and they evict nothing.
    pub(crate) fn push_control(&mut self, nodes: &mut Nodes, store: &Store, frame: FrameId) {
        let rank = store.rank(frame);
        debug_assert!(!rank.is_data());
        self.push_band(nodes, store, frame, End::Newest);
    }

    /// Returns how many frames of this rank wait, and are not in flight.
    pub(crate) fn waiting(&self, nodes: &Nodes, rank: Rank) -> u32 {
        self.find(nodes, rank)
            .map_or(0, |at| nodes.band(at).map_or(0, |band| band.frames))
    }

    /// Takes the oldest frame of this rank out again.
    pub(crate) fn withdraw(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        rank: Rank,
    ) -> Option<FrameId> {
        let at = self.find(nodes, rank)?;
        self.pop_band(nodes, store, at, End::Oldest)
    }

    /// Moves the next frame into flight and names it; only one that is more
    /// urgent than `before`, if that is given. `expired` gets what is dropped
    /// instead.
    pub(crate) fn launch(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        (now, starvation): (Timestamp, Starvation),
        before: Option<Rank>,
        mut expired: impl FnMut(FrameId),
    ) -> Option<FrameId> {
        if self.out_of_turn {
            return None;
        }
        loop {
            let band = nodes.band(self.bands)?;
            if before.is_some_and(|rank| band.rank >= rank) {
                return None;
            }
            let is_due = starvation.after > 0 && self.streak >= starvation.after;
            let starved = if is_due && band.rank.is_data() && before.is_none() {
                self.starved_band(nodes, store, now, starvation.wait)
            } else {
                None
            };
            let at = starved.unwrap_or(self.bands);
            let frame = self.pop_band_keep_counts(nodes, store, at, End::Oldest)?;
            if store.is_expired(frame, now) {
                self.uncount(nodes, store, frame);
                expired(frame);
                continue;
            }
            nodes.push_back(&mut self.flight, frame);
            if starved.is_some() {
                self.out_of_turn = true;
                #[cfg(any(test, feature = "testing"))]
                {
                    nodes.out_of_turn += 1;
                }
            } else if store.rank(frame).is_data() {
                self.streak = self.streak.saturating_add(1);
            }
            return Some(frame);
        }
    }

    /// Returns, of the less urgent bands, the one whose oldest message has waited longest,
    /// if that is too long.
    fn starved_band(&self, nodes: &Nodes, store: &Store, now: Timestamp, wait: u64) -> Option<u32> {
        let (mut longest, mut starved) = (wait, None);
        let mut at = nodes.band(self.bands)?.next;
        while let Some(band) = nodes.band(at).filter(|band| band.rank.is_data()) {
            let age = nodes
                .first(band.list)
                .map_or(0, |oldest| store.age(oldest, now));
            if age > longest {
                (longest, starved) = (age, Some(at));
            }
            at = band.next;
        }
        starved
    }

    /// Puts another form of the message that was launched last in its place, and
    /// hands back the one that was there.
    pub(crate) fn relaunch(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        form: FrameId,
    ) -> Option<FrameId> {
        let frame = nodes.pop_back(&mut self.flight)?;
        self.uncount(nodes, store, frame);
        nodes.push_back(&mut self.flight, form);
        match store.rank(form).is_data() {
            true => self.count(nodes, 1, store.len(form)),
            false => self.count_push(nodes, store.len(form)),
        }
        Some(frame)
    }

    /// Takes over a data frame that was on its way out by another road, and of
    /// which so much is out. It has been counted against the limits there.
    /// With `offered`, the adapter has it already.
    pub(crate) fn adopt(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        frame: FrameId,
        written: u32,
        offered: bool,
    ) {
        self.count(nodes, 1, store.len(frame));
        if written > 0 {
            debug_assert!(self.flight.is_empty(), "only one frame can be partly out");
            self.written = written;
            nodes.push_back(&mut self.flight, frame);
        } else if offered {
            nodes.push_back(&mut self.flight, frame);
        } else {
            self.push_band(nodes, store, frame, End::Newest);
        }
    }

    /// Calls `f` with every frame in flight in order, and with how much of it is out.
    pub(crate) fn for_each_in_flight(&self, nodes: &Nodes, mut f: impl FnMut(FrameId, u32)) {
        let mut written = self.written;
        nodes.for_each(self.flight, |frame| {
            f(frame, written);
            written = 0;
        });
    }

    /// Calls `f` with every band, the most urgent first.
    pub(crate) fn for_each_band(&self, nodes: &Nodes, mut f: impl FnMut(&Band)) {
        let mut at = self.bands;
        while let Some(band) = nodes.band(at) {
            f(band);
            at = band.next;
        }
    }

    /// Takes note that `n` more bytes are out. `done` gets each frame that is
    /// out to its last byte. Returns the bytes that were not in flight.
    #[inline(always)]
    pub(crate) fn advance(
        &mut self,
        nodes: &mut Nodes,
        store: &mut Store,
        mut n: usize,
        mut done: impl FnMut(&mut Store, FrameId),
    ) -> usize {
        while let Some(frame) = nodes.first(self.flight) {
            let left = (store.len(frame) - self.written) as usize;
            if n < left {
                if n > 0 && split_batch(nodes, store, &mut self.flight, End::Oldest) {
                    continue;
                }
                self.written += n as u32;
                return 0;
            }
            n -= left;
            self.written = 0;
            nodes.pop_front(&mut self.flight);
            self.uncount(nodes, store, frame);
            self.after_flight();
            done(store, frame);
        }
        n
    }

    /// Once what went out of turn is out, the urgent have theirs again.
    const fn after_flight(&mut self) {
        if self.out_of_turn && self.flight.is_empty() {
            self.out_of_turn = false;
            self.streak = 0;
        }
    }

    /// Puts what is in flight and not begun back where it was, so that it can be
    /// overtaken and evicted again.
    #[inline]
    pub(crate) fn settle(&mut self, nodes: &mut Nodes, store: &Store) {
        if self.in_flight() {
            self.settle_flight(nodes, store);
        }
    }

    fn settle_flight(&mut self, nodes: &mut Nodes, store: &Store) {
        let pinned = if self.written > 0 {
            nodes.pop_front(&mut self.flight)
        } else {
            None
        };
        while let Some(frame) = nodes.pop_back(&mut self.flight) {
            self.push_band(nodes, store, frame, End::Oldest);
            if self.out_of_turn {
                self.out_of_turn = false;
            } else if store.rank(frame).is_data() {
                self.streak = self.streak.saturating_sub(1);
            }
        }
        if let Some(frame) = pinned {
            nodes.push_back(&mut self.flight, frame);
        }
    }

    /// Empties the queue. `gone` gets each frame. With `keep_pinned`, what the
    /// peer needs to read on stays: what is in flight, and the answer to its
    /// request. [`settle`](Self::settle) first, unless that is still offered.
    pub(crate) fn discard(
        &mut self,
        nodes: &mut Nodes,
        store: &mut Store,
        keep_pinned: bool,
        mut gone: impl FnMut(&mut Store, FrameId),
    ) {
        while let Some(at) = self.last_band(nodes, keep_pinned) {
            if let Some(frame) = self.pop_band(nodes, store, at, End::Oldest) {
                gone(store, frame);
            }
        }
        if keep_pinned {
            return;
        }
        self.written = 0;
        while let Some(frame) = nodes.pop_front(&mut self.flight) {
            self.uncount(nodes, store, frame);
            gone(store, frame);
        }
        self.after_flight();
    }

    /// Returns the least urgent band; without that of the answer to a request if `but_head`.
    fn last_band(&self, nodes: &Nodes, but_head: bool) -> Option<u32> {
        let (mut at, mut last) = (self.bands, None);
        while let Some(band) = nodes.band(at) {
            if !(but_head && band.rank == Rank::HEAD) {
                last = Some(at);
            }
            at = band.next;
        }
        last
    }

    fn count(&mut self, nodes: &mut Nodes, messages: u32, bytes: u32) {
        self.messages += messages;
        self.bytes += bytes;
        nodes.held.messages += u64::from(messages);
        nodes.held.bytes += u64::from(bytes);
    }

    fn uncount(&mut self, nodes: &mut Nodes, store: &Store, frame: FrameId) {
        if store.rank(frame).is_data() {
            let (messages, bytes) = (store.messages(frame), store.len(frame));
            self.messages -= messages;
            self.bytes -= bytes;
            nodes.held.messages -= u64::from(messages);
            nodes.held.bytes -= u64::from(bytes);
        } else if store.rank(frame) == Rank::PUSH {
            self.uncount_push(nodes, store.len(frame));
        }
    }
}
