//! Queueing and its counts: all ways in which a frame enters the queue of a connection or leaves it
//! unwritten. Does not contain the choice of the frame to drop, which the queue makes.

use crate::delivery::conn::{Seal, Takes};
use crate::delivery::frame::{FrameId, FrameMeta, Rank};
use crate::delivery::queue::{Arrival, DropReason, OverflowPolicy, PushError};
use crate::delivery::variants::{EncodedVariants, MessagePayload};
use crate::delivery::{Outbound, Part};
use crate::proto::wire::FrameTag;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::opcode::{MessageType, Opcode};

impl Outbound {
    /// Returns whether messages may be queued for the connection at this place; a place may have
    /// been given back.
    pub(crate) fn takes_messages(&self, at: u32) -> bool {
        let conn = self.conns.get(at as usize);
        conn.is_some_and(|conn| conn.takes == Takes::Messages)
    }

    /// Queues a message for one connection.
    pub(crate) fn send(
        &mut self,
        at: u32,
        (meta, overflow): (FrameMeta, OverflowPolicy),
        kind: MessageType,
        payload: MessagePayload<'_>,
    ) {
        match self.encode_for_one(at, meta, kind, payload) {
            Some(frame) => {
                self.push(at, frame, overflow);
                self.store.release(frame);
            }
            None => self.count_codec_refusal(at, meta.stream),
        }
    }

    /// Queues a publication for one of its members, in the form that it takes.
    #[inline]
    pub(crate) fn send_variant(&mut self, at: u32, variants: &mut EncodedVariants<'_>) {
        self.counts.members_offered += 1;
        if variants.own_codecs.is_some() && !self.passes(variants, at) {
            return;
        }
        match self.variant(variants, at) {
            Some(frame) => self.push(at, frame, variants.overflow()),
            None => self.count_codec_refusal(at, variants.meta().stream),
        }
    }

    /// Counts a message that the codec of its receiver cannot express.
    #[cold]
    pub(super) fn count_codec_refusal(&mut self, at: u32, stream: Option<u32>) {
        self.end_batch();
        self.note_lost(at, stream);
        self.counts.delivery.offered += 1;
        self.counts.delivery.refused_codec += 1;
    }

    /// Queues a data frame, which adds a reference to it. The queue may refuse it, or drop
    /// others for it; everything is counted.
    //= rfc6455#section-6.1 "To _Send a WebSocket Message_ comprising of /data/ over a WebSocket..."
    #[inline]
    pub(super) fn push(&mut self, at: u32, frame: FrameId, overflow: OverflowPolicy) {
        self.end_batch();
        self.push_behind_batch(at, frame, overflow);
    }

    /// [`push`](Self::push) once the batch has been delivered, or for a part of it.
    #[inline]
    pub(super) fn push_behind_batch(&mut self, at: u32, frame: FrameId, overflow: OverflowPolicy) {
        self.counts.delivery.offered += 1;
        //= rfc6455#section-5.5.1 "The application MUST NOT send any more data frames after..."
        //= rfc6455#section-6.1 "The endpoint MUST ensure the WebSocket connection is in the..."
        let conn = &self.conns[at];
        if conn.takes != Takes::Messages {
            self.counts.delivery.refused_closing += 1;
            return;
        }
        if self.replies.owner() == Some(at) {
            if self.replies_are_held() {
                self.store.retain(frame);
                self.deferred.push((frame, overflow));
                return;
            }
            self.spill_replies(0);
        }
        self.push_counted(at, frame, overflow);
    }

    /// Queues a frame that has been counted as offered.
    #[inline]
    pub(super) fn push_counted(&mut self, at: u32, frame: FrameId, overflow: OverflowPolicy) {
        let arrival = Arrival {
            frame,
            overflow,
            now: self.now,
        };
        let (conn, dropped) = (&mut self.conns[at], &mut self.dropped);
        let limits = self.settings.limits.all(conn.form);
        let pushed = conn.queue.push(
            &mut self.nodes,
            &mut self.store,
            limits,
            arrival,
            |frame, reason| dropped.push((frame, reason)),
        );
        if !self.dropped.is_empty() {
            self.count_dropped(at);
        }
        if let Err(error) = pushed {
            self.counts.delivery.refused_full += 1;
            let priority = self.store.rank(frame).priority();
            self.counts.priorities.of(priority).refused += 1;
            self.drops.of(at).refused += 1;
            if error == PushError::Slow {
                // It is closed as soon as nothing of it is under way here.
                self.conns[at].takes = Takes::Control;
                self.slow.push(at);
            }
            self.note_lost(at, self.store.stream(frame));
            return;
        }
        self.after_push(at, frame);
    }

    /// Counts a frame, or a batch, that has been queued, and schedules the flush.
    // For each member of a fan-out: a call costs more than the code.
    #[inline(always)]
    pub(super) fn after_push(&mut self, at: u32, frame: FrameId) {
        self.store.retain(frame);
        self.counts.delivery.queued += u64::from(self.store.messages(frame));
        let conn = &mut self.conns[at];
        if !conn.stop.is_any() {
            let rank = self.store.rank(frame);
            self.flushes.push(at, &mut conn.levels, rank);
            let half = self.settings.limits.half(conn.form);
            if conn.queue.messages() > half.messages || conn.queue.bytes() > half.bytes {
                self.add_pressure(at);
            }
        }
    }

    /// Removes and returns a connection that is to be closed because it does not keep up.
    pub(crate) fn pop_slow(&mut self) -> Option<u32> {
        self.slow.pop()
    }

    /// Returns whether [`pop_slow`](Self::pop_slow) has any.
    pub(crate) const fn has_slow(&self) -> bool {
        !self.slow.is_empty()
    }

    // ---- control frames ------------------------------------------------------------------------

    /// Queues the answer to a request, before everything else.
    pub(crate) fn send_head(&mut self, at: u32, bytes: &[u8]) {
        let frame = self.store.adopt(Rank::HEAD, bytes);
        self.push_control(at, frame);
    }

    /// Queues a ping, unless one waits.
    pub(crate) fn send_ping(&mut self, at: u32) {
        if self.conns[at].queue.waiting(&self.nodes, Rank::PING) == 0 {
            self.counts.sent.pings += 1;
            let tag = self.tag(at, Opcode::Ping);
            let frame = self.store.encode(Rank::PING, tag, &[]);
            self.push_control(at, frame);
        }
    }

    /// Queues a pong, unless our close frame has left the queue already. `is_open` tells whether
    /// there was none yet.
    pub(crate) fn send_pong(&mut self, at: u32, is_open: bool, payload: &[u8]) {
        let queue = &mut self.conns[at].queue;
        //= rfc6455#section-5.5.2 "Upon receipt of a Ping frame, an endpoint MUST send a Pong..."
        // Not once our own close frame is out: peers take what comes behind it for a fault.
        if !is_open && queue.waiting(&self.nodes, Rank::LAST) == 0 {
            return;
        }
        //= rfc6455#section-5.5.3 "If an endpoint receives a Ping frame and has not yet sent..."
        if queue.waiting(&self.nodes, Rank::PONG) >= MAX_PONGS
            && let Some(oldest) = queue.withdraw(&mut self.nodes, &self.store, Rank::PONG)
        {
            self.store.release(oldest);
            self.counts.sent.pongs_replaced += 1;
        }
        self.counts.sent.pongs += 1;
        //= rfc6455#section-5.5.2 "It SHOULD respond with Pong frame as soon as is practical."
        //= rfc6455#section-5.5.3 "A Pong frame sent in response to a Ping frame must have..."
        let tag = self.tag(at, Opcode::Pong);
        let frame = self.store.encode(Rank::PONG, tag, payload);
        self.push_control(at, frame);
    }

    /// Queues a close frame behind all that waits.
    //= rfc6455#section-7.1.2 "To _Start the WebSocket Closing Handshake_ with a status code..."
    pub(crate) fn send_close(&mut self, at: u32, code: Option<CloseCode>, reason: &str) {
        self.end_batch();
        let code = code.map(|code| code.get().to_be_bytes());
        let code = code.as_ref().map_or(&[][..], |code| code);
        let tag = self.tag(at, Opcode::Close);
        let parts = [code, reason.as_bytes()];
        let frame = self.store.encode_parts(Rank::LAST, tag, parts);
        self.counts.sent.closes += 1;
        self.push_control(at, frame);
    }

    /// Queues the last message of a wire without close frames behind all that waits.
    pub(crate) fn send_last(&mut self, at: u32, message: &[u8]) {
        self.end_batch();
        let tag = self.tag(at, Opcode::Text);
        let frame = self.store.encode(Rank::LAST, tag, message);
        self.counts.sent.closes += 1;
        self.push_control(at, frame);
    }

    /// Returns the tag of an uncompressed frame for a connection.
    fn tag(&self, at: u32, opcode: Opcode) -> FrameTag {
        FrameTag::new(self.conns[at].form.wire(), opcode)
    }

    /// Counts an answer to a request that is not an upgrade.
    pub(crate) const fn count_page(&mut self) {
        self.counts.sent.pages += 1;
    }

    /// Queues a frame that no limit holds for, and gives its reference away.
    #[inline]
    fn push_control(&mut self, at: u32, frame: FrameId) {
        self.conns[at]
            .queue
            .push_control(&mut self.nodes, &self.store, frame);
        self.schedule(at);
    }

    // ---- what leaves unwritten -----------------------------------------------------------------

    /// Counts the frames that have left a connection's queue without being written, and
    /// releases them.
    pub(super) fn count_dropped(&mut self, at: u32) {
        if self.dropped.is_empty() {
            return;
        }
        let drops = self.drops.of(at);
        let takes_messages = self.conns[at].takes == Takes::Messages;
        for (frame, reason) in self.dropped.drain(..) {
            if let Some(stream) = self.store.stream(frame).filter(|_| takes_messages) {
                self.lost.insert((at, stream));
            }
            let all = &mut self.counts.delivery;
            let of_priority = self.counts.priorities.of(self.store.rank(frame).priority());
            let (all, of_priority, of_conn) = match reason {
                DropReason::Evicted => (
                    &mut all.evicted,
                    &mut of_priority.evicted,
                    &mut drops.evicted,
                ),
                DropReason::Expired => (
                    &mut all.expired,
                    &mut of_priority.expired,
                    &mut drops.expired,
                ),
                DropReason::Conflated => (
                    &mut all.conflated,
                    &mut of_priority.conflated,
                    &mut drops.conflated,
                ),
                DropReason::Shed => (&mut all.shed, &mut of_priority.shed, &mut drops.shed),
            };
            *all += 1;
            *of_priority += 1;
            *of_conn += 1;
            self.store.release(frame);
        }
    }

    /// Discards what waits for a peer that takes nothing, so that a close frame comes first.
    /// What the peer needs to read on stays.
    pub(crate) fn discard_if_blocked(&mut self, at: u32) {
        if self.conns[at].stop.is_blocked() {
            self.discard(at, true);
        }
    }

    /// Discards what waits for a connection; with `keep_pinned`, what is in flight stays.
    pub(super) fn discard(&mut self, at: u32, keep_pinned: bool) {
        self.end_batch();
        let conn = &mut self.conns[at];
        // What the adapter has taken may be out already, and what is sealed cannot be taken back.
        if !(keep_pinned && (conn.offered || conn.seal == Seal::Waits)) {
            conn.queue.settle(&mut self.nodes, &self.store);
        }
        let (counts, drops) = (&mut self.counts, &mut self.drops);
        let (nodes, store) = (&mut self.nodes, &mut self.store);
        conn.queue
            .discard(nodes, store, keep_pinned, |store, frame| {
                if let Some(priority) = store.rank(frame).priority() {
                    let messages = u64::from(store.messages(frame));
                    counts.add_discarded(drops.of(at), Some(priority), messages);
                } else if store.rank(frame) == Rank::PUSH {
                    counts.sent.pushes_discarded += 1;
                }
                store.release(frame);
            });
        self.release_expired();
    }

    /// Discards what is in the reply buffer, if it is this connection's.
    pub(super) fn discard_replies(&mut self, at: u32) {
        if self.replies.owner() == Some(at) {
            let messages = u64::from(self.replies.messages());
            let priority = self.replies.rank().priority();
            self.counts
                .add_discarded(self.drops.of(at), priority, messages);
            self.replies.clear();
        }
    }

    /// Releases what expired while the last write was planned.
    #[inline]
    pub(super) fn release_expired(&mut self) {
        if !self.expired.is_empty() {
            for frame in self.expired.drain(..) {
                self.store.release(frame);
            }
        }
    }

    // ---- the flush order -----------------------------------------------------------------------

    /// Schedules the flush of a connection, as urgent as what waits for it.
    #[inline]
    pub(crate) fn schedule(&mut self, at: u32) {
        let rank = self.conns[at].queue.rank(&self.nodes, &self.store);
        self.schedule_for(at, rank);
    }

    /// Schedules the flush of a connection for something of this rank.
    #[inline]
    pub(super) fn schedule_for(&mut self, at: u32, rank: Rank) {
        let conn = &mut self.conns[at];
        if !conn.stop.is_any() && conn.takes != Takes::Nothing {
            self.flushes.push(at, &mut conn.levels, rank);
        }
    }

    /// Returns whether a flush of this connection is scheduled: its slot must be kept for it.
    #[inline]
    pub(crate) fn is_scheduled(&self, at: u32) -> bool {
        self.conns[at].levels.any()
    }

    /// Removes and returns the connection that is to be flushed next, and what is to be done.
    #[inline]
    pub(crate) fn next_flush(&mut self) -> Option<(u32, NextFlush)> {
        self.end_batch();
        let (at, level) = self.flushes.pop()?;
        let conn = &mut self.conns[at];
        conn.levels.remove(level);
        // What is offered already is flushed again once that is settled, and a socket that is
        // full once it takes bytes again.
        let may_offer = !conn.offered && !conn.stop.is_any() && conn.takes != Takes::Nothing;
        if may_offer && self.store.has_terms() {
            return Some((at, self.next_flush_unless_expired(at)));
        }
        let is_empty = conn.is_empty() && self.replies.owner() != Some(at);
        let next = if may_offer && !is_empty {
            NextFlush::Offer
        } else {
            NextFlush::Nothing
        };
        Some((at, next))
    }

    /// Drops what has expired and would be written next.
    fn next_flush_unless_expired(&mut self, at: u32) -> NextFlush {
        if self.is_empty(at) {
            return NextFlush::Nothing;
        }
        let dropped = &mut self.dropped;
        self.conns[at]
            .queue
            .expire(&mut self.nodes, &self.store, self.now, |frame| {
                dropped.push((frame, DropReason::Expired));
            });
        self.count_dropped(at);
        if self.is_empty(at) {
            NextFlush::Expired
        } else {
            NextFlush::Offer
        }
    }

    /// Returns the number of scheduled flushes.
    pub(crate) fn scheduled(&self) -> usize {
        self.flushes.len()
    }

    /// Settles the reply buffer after a callback: what had to wait while its message was
    /// borrowed is done now.
    #[inline]
    pub(crate) fn settle_replies(&mut self, scratch: Part<&mut [u8]>) {
        if self.replies.has_placement() || !self.deferred.is_empty() {
            self.settle_replies_now(scratch);
        }
    }

    fn settle_replies_now(&mut self, scratch: Part<&mut [u8]>) {
        let Part { bytes, base } = scratch;
        self.replies.commit(Part {
            bytes: &mut *bytes,
            base,
        });
        if self.deferred.is_empty() {
            return;
        }
        let owner = self.replies.owner();
        self.spill_replies_from(Part { bytes, base }, 0);
        let mut deferred = core::mem::take(&mut self.deferred);
        for (frame, overflow) in deferred.drain(..) {
            if let Some(at) = owner {
                self.push_counted(at, frame, overflow);
            }
            self.store.release(frame);
        }
        self.deferred = deferred;
    }
}

/// What is to be done for a connection whose turn to be flushed has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NextFlush {
    /// Its bytes are to be offered to its socket.
    Offer,
    /// All that waited for it has expired.
    Expired,
    /// Nothing; its slot may be free now.
    Nothing,
}

/// Pongs that may wait for one connection; one more replaces the oldest.
const MAX_PONGS: u32 = 16;
