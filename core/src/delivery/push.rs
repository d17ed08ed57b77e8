//! Pushes: messages of the application to one connection ahead of all data, in a bounded lane from
//! which nothing is dropped.
//!
//! A batch that is held back need not be delivered before one, since it is data.

use crate::delivery::conn::Takes;
use crate::delivery::frame::{FrameMeta, Rank};
use crate::delivery::variants::MessagePayload;
use crate::delivery::{Outbound, QueueFull};
use crate::proto::wire::FrameTag;
use crate::proto::ws::opcode::MessageType;

impl Outbound {
    /// Queues a push, as it is: no codec encodes it. The reply buffer must not be
    /// [held](Self::replies_are_held).
    ///
    /// # Errors
    /// If it is bounded and the lane is full; then nothing is queued.
    pub(crate) fn push_ahead(
        &mut self,
        at: u32,
        kind: MessageType,
        payload: &[u8],
        is_bounded: bool,
    ) -> Result<(), QueueFull> {
        if self.conns[at].takes != Takes::Messages {
            self.count_discarded_push();
            return Ok(());
        }
        if self.replies.owner() == Some(at) {
            // What is in the buffer would be written first.
            self.spill_replies(0);
        }
        let limits = self.settings.pushes;
        let tag = FrameTag::new(self.conns[at].form.wire(), kind.opcode());
        let len = tag.framed_len(payload.len()) as u32;
        let queue = &self.conns[at].queue;
        let has_room = queue.has_room_for_push(&self.nodes, &self.store, limits, len);
        if is_bounded && !has_room {
            return Err(QueueFull);
        }
        let meta = FrameMeta {
            born: self.now,
            ..Rank::PUSH.into()
        };
        let frame = self.encode_verbatim(at, meta, kind, MessagePayload::Borrowed(payload));
        self.counts.sent.pushes += 1;
        let queue = &mut self.conns[at].queue;
        queue.push_ahead(&mut self.nodes, &self.store, frame);
        self.schedule_for(at, Rank::PUSH);
        if !self.is_push_lane_low(at) {
            self.add_pressure(at);
        }
        Ok(())
    }

    /// Returns whether at most half of the lane is used.
    pub(crate) fn is_push_lane_low(&self, at: u32) -> bool {
        let (limits, queue) = (self.settings.pushes, &self.conns[at].queue);
        let used = queue.pushes(&self.nodes, &self.store);
        used.messages <= limits.messages / 2 && used.bytes <= limits.bytes / 2
    }

    /// Closes a connection, as soon as nothing of it is under way, because it does not keep up with
    /// what is pushed.
    #[cold]
    pub(crate) fn close_for_pushes(&mut self, at: u32) {
        if self.conns[at].takes == Takes::Messages {
            self.conns[at].takes = Takes::Control;
            self.slow.push(at);
        }
    }

    /// Counts a push for a connection that takes no messages any more.
    #[cold]
    pub(crate) const fn count_discarded_push(&mut self) {
        self.counts.sent.pushes += 1;
        self.counts.sent.pushes_discarded += 1;
    }

    /// Returns the number of pushes that wait, and their bytes.
    pub(crate) const fn pushes_waiting(&self) -> (u64, u64) {
        let held = self.nodes.pushes();
        (held.messages, held.bytes)
    }
}
