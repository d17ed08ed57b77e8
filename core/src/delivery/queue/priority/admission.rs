//! Admission to a queue, and removal from it: at a full queue, after the time to live, by a newer
//! message with the same key, or to free memory.

use crate::delivery::queue::list::End;
use crate::delivery::queue::priority::split::split_batch;
use crate::delivery::queue::priority::{
    Arrival, DropReason, FrameId, Limits, Nodes, PushError, Queue, Rank, Store,
};
use crate::delivery::queue::send_options::OverflowPolicy;
use crate::time::Timestamp;

impl Queue {
    /// Returns whether there is room for a message of so many bytes without evicting another.
    pub(crate) const fn has_room(&self, len: u32, limits: Limits) -> bool {
        self.messages == 0
            || (self.messages < limits.messages && self.bytes.saturating_add(len) <= limits.bytes)
    }

    /// Queues a data frame. `gone` gets each that leaves for it, and how.
    ///
    /// Where there is no room, what has expired goes first: of each priority the
    /// oldest, and what follows it and has expired too. What expires behind a
    /// message that has not is found at its turn.
    pub(crate) fn push(
        &mut self,
        nodes: &mut Nodes,
        store: &mut Store,
        limits: Limits,
        arrival: Arrival,
        mut gone: impl FnMut(FrameId, DropReason),
    ) -> Result<(), PushError> {
        let Arrival {
            frame,
            overflow,
            now,
        } = arrival;
        let (rank, len) = (store.rank(frame), store.len(frame));
        debug_assert!(rank.is_data());
        let is_full = !self.has_room(len, limits);
        if is_full && store.has_terms() {
            self.expire(nodes, store, now, |frame| gone(frame, DropReason::Expired));
        }
        let is_full = is_full && !self.has_room(len, limits);
        if (is_full || overflow != OverflowPolicy::Conflate)
            && let Some(old) = self.conflate(nodes, store, limits, frame)
        {
            gone(old, DropReason::Conflated);
            return Ok(());
        }
        if is_full {
            let (from, end) = match overflow {
                OverflowPolicy::EvictLower => (rank.next(), End::Newest),
                OverflowPolicy::DropOldest => (rank, End::Oldest),
                OverflowPolicy::DropNew | OverflowPolicy::Conflate => return Err(PushError::Full),
                OverflowPolicy::Disconnect => return Err(PushError::Slow),
            };
            if !self.could_make_room(nodes, limits, from, len) {
                return Err(PushError::Full);
            }
            while !self.has_room(len, limits) {
                let Some(victim) = self.pop_least_urgent(nodes, store, end) else {
                    break;
                };
                gone(victim, DropReason::Evicted);
            }
        }
        self.count(nodes, 1, len);
        self.push_band(nodes, store, frame, End::Newest);
        Ok(())
    }

    /// Queues a batch if there is room for all of it; says whether there was.
    pub(crate) fn push_batch(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        limits: Limits,
        batch: FrameId,
    ) -> bool {
        let messages = self.messages + store.messages(batch);
        let bytes = self.bytes.saturating_add(store.len(batch));
        let has_room = messages <= limits.messages && bytes <= limits.bytes;
        if has_room {
            self.count(nodes, store.messages(batch), store.len(batch));
            self.push_band(nodes, store, batch, End::Newest);
        }
        has_room
    }

    /// Drops what has expired at the head of each band.
    pub(crate) fn expire(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        now: Timestamp,
        mut gone: impl FnMut(FrameId),
    ) {
        let mut at = self.bands;
        while let Some(&band) = nodes.band(at) {
            let (mut list, mut left) = (band.list, band.frames);
            while left > 0
                && let Some(frame) = nodes.first(list)
                && store.is_expired(frame, now)
            {
                self.pop_band(nodes, store, at, End::Oldest);
                gone(frame);
                left -= 1;
                if left > 0 {
                    list = nodes.band_mut(at).list;
                }
            }
            at = band.next;
        }
    }

    /// Puts a frame in the place of the newest that waits about the same, if it
    /// fits there; hands that back.
    fn conflate(
        &mut self,
        nodes: &mut Nodes,
        store: &Store,
        limits: Limits,
        frame: FrameId,
    ) -> Option<FrameId> {
        let node = nodes.newest(store, self.subject(store, frame)?)?;
        let (len, old_len) = (store.len(frame), store.len(nodes.frame(node)));
        let bytes = (self.bytes - old_len).saturating_add(len);
        if self.messages > 1 && bytes > limits.bytes {
            return None;
        }
        let band = self.find(nodes, store.rank(frame))?;
        let band = nodes.band_mut(band);
        band.bytes = band.bytes - old_len + len;
        self.bytes = bytes;
        nodes.held.bytes = nodes.held.bytes - u64::from(old_len) + u64::from(len);
        Some(nodes.replace(node, frame))
    }

    /// Returns whether there is room without what waits from this rank on.
    fn could_make_room(&self, nodes: &Nodes, limits: Limits, from: Rank, len: u32) -> bool {
        let (mut messages, mut bytes) = (0, 0);
        let mut at = self.bands;
        while let Some(band) = nodes.band(at) {
            if band.rank >= from && band.rank.is_data() {
                messages += band.frames;
                bytes += band.bytes;
            }
            at = band.next;
        }
        let rest = Self {
            messages: self.messages - messages,
            bytes: self.bytes - bytes,
            ..Self::new(self.owner)
        };
        messages > 0 && rest.has_room(len, limits)
    }

    /// Returns the least urgent band of data.
    fn least_urgent(&self, nodes: &Nodes) -> Option<u32> {
        let (mut at, mut least) = (self.bands, None);
        while let Some(band) = nodes.band(at) {
            if band.rank.is_data() {
                least = Some(at);
            }
            at = band.next;
        }
        least
    }

    fn pop_least_urgent(
        &mut self,
        nodes: &mut Nodes,
        store: &mut Store,
        end: End,
    ) -> Option<FrameId> {
        let least = self.least_urgent(nodes)?;
        self.pop_message(nodes, store, least, end)
    }

    /// Takes one message out of a band, and not the batch that it may be a part of.
    fn pop_message(
        &mut self,
        nodes: &mut Nodes,
        store: &mut Store,
        at: u32,
        end: End,
    ) -> Option<FrameId> {
        let mut list = nodes.band_mut(at).list;
        if split_batch(nodes, store, &mut list, end) {
            nodes.band_mut(at).list = list;
        }
        self.pop_band(nodes, store, at, end)
    }

    /// Returns the rank of the least urgent that waits and is not in flight.
    pub(crate) fn least_urgent_rank(&self, nodes: &Nodes) -> Option<Rank> {
        let band = nodes.band(self.least_urgent(nodes)?)?;
        Some(band.rank)
    }

    /// Takes out the oldest of what waits of the least urgent rank and is not in
    /// flight: one in so many of them, rounded up.
    pub(crate) fn shed(
        &mut self,
        nodes: &mut Nodes,
        store: &mut Store,
        one_in: u32,
        mut gone: impl FnMut(FrameId),
    ) {
        let Some(at) = self.least_urgent(nodes) else {
            return;
        };
        // With its last frame the band is no more.
        let count = nodes.band_mut(at).frames.div_ceil(one_in);
        for _ in 0..count {
            gone(match self.pop_message(nodes, store, at, End::Oldest) {
                Some(frame) => frame,
                None => return,
            });
        }
    }
}
