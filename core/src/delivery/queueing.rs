//! Owns what goes into the queues of connections and leaves them unwritten, and the
//! counting of both. Which of them has to go is the queue's business.

use crate::app::Handler;
use crate::delivery::frame::{FrameId, Rank};
use crate::delivery::queue::{Arrival, DropReason, OverflowPolicy, PushError};
use crate::session::slot::Phase;
use crate::shard::engine::Engine;

impl<H: Handler> Engine<H> {
    /// Queues a data frame for a connection, which adds a reference to it. The
    /// queue may refuse it, or let others go for it; everything is counted.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-6.1
    //# To _Send a WebSocket Message_ comprising of /data/ over a WebSocket
    //# connection, an endpoint MUST perform the following steps.
    #[inline]
    pub(crate) fn push(&mut self, at: u32, frame: FrameId, overflow: OverflowPolicy) {
        self.end_volley();
        self.counts.delivery.offered += 1;
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
        //# The application MUST NOT send any more data frames after sending a
        //# Close frame.
        //= https://www.rfc-editor.org/rfc/rfc6455#section-6.1
        //# The endpoint MUST ensure the WebSocket connection is in the OPEN
        //# state (cf. Sections 4.1 and 4.2.2.)
        if self.slots[at].phase != Phase::Open || self.slots[at].flags.slow {
            self.counts.delivery.refused_closing += 1;
            return;
        }
        if self.lane.owner() == Some(at) {
            if self.lane_is_held() {
                self.store.retain(frame);
                self.late.push((frame, overflow));
                return;
            }
            self.spill_lane(0);
        }
        self.push_counted(at, frame, overflow);
    }

    /// [`push`](Self::push) of what has been offered and may be queued.
    pub(crate) fn push_counted(&mut self, at: u32, frame: FrameId, overflow: OverflowPolicy) {
        let limits = self.limits();
        let arrival = Arrival {
            frame,
            overflow,
            now: self.now,
        };
        let (slot, gone) = (&mut self.slots[at], &mut self.gone);
        let pushed = slot.queue.push(
            &mut self.nodes,
            &mut self.store,
            limits,
            arrival,
            |frame, fate| {
                gone.push((frame, fate));
            },
        );
        if !self.gone.is_empty() {
            self.count_gone(at);
        }
        if let Err(refusal) = pushed {
            self.counts.delivery.refused_full += 1;
            let priority = self.store.rank(frame).priority();
            self.counts.priorities.of(priority).refused += 1;
            self.ledger.drops(at).refused += 1;
            if refusal == PushError::Slow {
                self.slots[at].flags.slow = true;
                self.slow.push(at);
            }
            return;
        }
        self.queued(at, frame);
    }

    /// Takes note that a frame, or a volley, has been queued for a connection.
    #[inline]
    pub(crate) fn queued(&mut self, at: u32, frame: FrameId) {
        let half = self.half;
        self.store.retain(frame);
        self.counts.delivery.queued += u64::from(self.store.messages(frame));
        let slot = &mut self.slots[at];
        if !slot.flags.blocked {
            let half_full =
                slot.queue.messages() > half.messages || slot.queue.bytes() > half.bytes;
            if half_full {
                self.press(at);
            }
            let standing = &mut self.slots[at].flags.flush;
            self.flushes.push(at, standing, self.store.rank(frame));
        }
    }

    /// Counts the frames that have left a connection's queue without being
    /// written, and gives them back.
    pub(crate) fn count_gone(&mut self, at: u32) {
        if self.gone.is_empty() {
            return;
        }
        let drops = self.ledger.drops(at);
        for (frame, fate) in self.gone.drain(..) {
            let of_all = &mut self.counts.delivery;
            let fates = self.counts.priorities.of(self.store.rank(frame).priority());
            let (all, these, its) = match fate {
                DropReason::Evicted => {
                    (&mut of_all.evicted, &mut fates.evicted, &mut drops.evicted)
                }
                DropReason::Expired => {
                    (&mut of_all.expired, &mut fates.expired, &mut drops.expired)
                }
                DropReason::Conflated => (
                    &mut of_all.conflated,
                    &mut fates.conflated,
                    &mut drops.conflated,
                ),
                DropReason::Shed => (&mut of_all.shed, &mut fates.shed, &mut drops.shed),
            };
            *all += 1;
            *these += 1;
            *its += 1;
            self.store.release(frame);
        }
    }

    /// Before a write: drops what has expired and would go next, so that nothing
    /// is flushed where nothing is left. Says whether nothing is.
    #[inline]
    pub(crate) fn lapse(&mut self, at: u32) -> bool {
        self.store.has_terms() && self.lapse_some(at)
    }

    fn lapse_some(&mut self, at: u32) -> bool {
        let slot = &mut self.slots[at];
        if slot.flags.offered || slot.queue.is_empty() {
            return false;
        }
        let gone = &mut self.gone;
        slot.queue
            .expire(&mut self.nodes, &self.store, self.now, |frame| {
                gone.push((frame, DropReason::Expired));
            });
        self.count_gone(at);
        let over = self.slots[at].queue.is_empty() && self.lane.owner() != Some(at);
        if over {
            self.transmitted(at, 0);
        }
        over
    }

    /// Gives back what expired while the last write was planned.
    #[inline]
    pub(crate) fn release_lapsed(&mut self) {
        if self.lapsed.is_empty() {
            return;
        }
        for frame in self.lapsed.drain(..) {
            self.store.release(frame);
        }
    }

    /// Counts a message of the application that is too long to be sent, if it is.
    #[inline]
    pub(crate) fn count_too_long(&mut self, is_too_long: bool) {
        self.counts.links.too_long += u64::from(is_too_long);
    }

    /// Queues a frame that no limit holds for, and gives its reference away.
    pub(crate) fn push_control(&mut self, at: u32, frame: FrameId) {
        self.slots[at]
            .queue
            .push_control(&mut self.nodes, &self.store, frame);
        self.line_up(at);
    }

    /// The answer to a request, before everything else.
    pub(crate) fn push_head(&mut self, at: u32, bytes: &[u8]) {
        let frame = self.store.adopt(Rank::HEAD, bytes);
        self.push_control(at, frame);
    }

    /// Throws away what waits for a connection.
    pub(crate) fn discard(&mut self, at: u32, keep_pinned: bool) {
        let slot = &mut self.slots[at];
        // What the adapter has taken may be out already.
        if !(keep_pinned && slot.flags.offered) {
            slot.queue.settle(&mut self.nodes, &self.store);
        }
        let (counts, ledger) = (&mut self.counts, &mut self.ledger);
        let (nodes, store) = (&mut self.nodes, &mut self.store);
        slot.queue
            .discard(nodes, store, keep_pinned, |store, frame| {
                if let Some(priority) = store.rank(frame).priority() {
                    let messages = u64::from(store.messages(frame));
                    counts.delivery.discarded += messages;
                    counts.priorities.of(Some(priority)).discarded += messages;
                    ledger.drops(at).discarded += messages;
                }
                store.release(frame);
            });
        self.release_lapsed();
    }
}
