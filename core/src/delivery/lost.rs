//! Publications of streams that do not reach a connection, and removal of what waits of a stream.

#[cfg(test)]
mod tests;

use crate::delivery::Outbound;
use crate::delivery::conn::Takes;
use crate::delivery::frame::FrameId;

impl Outbound {
    /// Notes that something of a stream does not reach a connection. One that ends misses nothing.
    pub(super) fn note_lost(&mut self, at: u32, stream: Option<u32>) {
        if let Some(stream) = stream
            && self.conns[at].takes == Takes::Messages
        {
            self.lost.insert((at, stream));
        }
    }

    /// Removes and returns a connection that takes messages and has missed a publication of a
    /// stream, and the number of the channel: it was refused, evicted, expired, conflated or shed, or
    /// the codec could not express it. Each pair is returned once, however much was missed.
    pub(crate) fn pop_lost(&mut self) -> Option<(u32, u32)> {
        self.lost.pop_first()
    }

    /// Returns whether [`pop_lost`](Self::pop_lost) has any.
    #[inline]
    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Forgets what a connection that ends has missed, and discards what waits behind it: nobody will
    /// tell the connection that there is a gap.
    pub(super) fn forget_lost(&mut self, at: u32) {
        while let Some(&pair) = self.lost.range((at, 0)..=(at, u32::MAX)).next() {
            self.lost.remove(&pair);
            self.discard_channel(at, pair.1);
        }
    }

    /// Discards what waits for a connection of the stream of a channel. What is partly written, or
    /// offered to the adapter, stays.
    pub(crate) fn discard_channel(&mut self, at: u32, channel: u32) {
        self.end_batch();
        if !self.store.has_terms() {
            return;
        }
        let Self {
            conns,
            nodes,
            store,
            counts,
            drops,
            ..
        } = self;
        conns[at]
            .queue
            .discard_stream(nodes, store, channel, |store, frame| {
                counts.add_discarded(drops.of(at), store.rank(frame).priority(), 1);
                store.release(frame);
            });
        if self.replies.owner() == Some(at) {
            self.discard_deferred(at, channel);
        }
        let queue = &self.conns[at].queue;
        let half = self.settings.limits.half(self.conns[at].form);
        if queue.messages() <= half.messages && queue.bytes() <= half.bytes {
            self.clear_pressure(at);
        }
    }

    /// Discards the data that waits for a connection, and is neither partly written nor offered to
    /// the adapter.
    #[cold]
    pub(super) fn discard_data(&mut self, at: u32) {
        let Self {
            conns,
            nodes,
            store,
            counts,
            drops,
            ..
        } = self;
        let queue = &mut conns[at].queue;
        let mut gone = alloc::vec::Vec::new();
        while queue.least_urgent_rank(nodes).is_some() {
            queue.shed(nodes, store, 1, |frame| gone.push(frame));
        }
        for frame in gone {
            counts.add_discarded(drops.of(at), store.rank(frame).priority(), 1);
            store.release(frame);
        }
    }

    /// Discards what is to be queued behind the reply buffer, which belongs to the connection: as if
    /// it had been queued.
    fn discard_deferred(&mut self, at: u32, channel: u32) {
        let is_of = |&mut (frame, _): &mut (FrameId, _)| self.store.stream(frame) == Some(channel);
        let gone: alloc::vec::Vec<_> = self.deferred.extract_if(.., is_of).collect();
        for (frame, _) in gone {
            let priority = self.store.rank(frame).priority();
            self.counts.delivery.queued += 1;
            self.counts.add_discarded(self.drops.of(at), priority, 1);
            self.store.release(frame);
        }
    }
}
