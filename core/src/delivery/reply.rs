//! Replies: messages to the connection whose callback runs, through the reply buffer if possible,
//! otherwise through its queue.

use crate::delivery::Outbound;
use crate::delivery::conn::Takes;
use crate::delivery::frame::Rank;
use crate::delivery::queue::{OverflowPolicy, SendOptions};
use crate::proto::wire::{FrameTag, Wire};
use crate::proto::ws::opcode::MessageType;

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

    /// Returns the place in the scratch of a slice that is part of the message.
    fn place(self, slice: &[u8]) -> Option<usize> {
        let offset = (slice.as_ptr() as usize).checked_sub(self.address)?;
        (offset + slice.len() <= self.len).then_some(self.at? + offset)
    }
}

/// The queue has no room for a reply that is to wait for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct QueueFull;

/// A reply: what it says, and how.
#[derive(Clone, Copy)]
pub(crate) struct OutgoingReply<'a> {
    pub(crate) kind: MessageType,
    pub(crate) options: SendOptions,
    /// The payload, in two parts.
    pub(crate) parts: [&'a [u8]; 2],
    /// Where the message that is answered stands, if its callback is running.
    pub(crate) message: Option<MessageRef>,
    /// Whether it waits for room in the queue instead of being dropped.
    pub(crate) waits: bool,
}

impl Outbound {
    /// Queues a message for the connection whose callback is running.
    ///
    /// # Errors
    /// If it waits for room and there is none; then nothing is queued.
    #[inline]
    pub(crate) fn reply(&mut self, at: u32, reply: OutgoingReply<'_>) -> Result<(), QueueFull> {
        self.end_batch();
        let len = reply.parts[0].len() + reply.parts[1].len();
        if self.is_compressed_at_once(at, len) {
            return self.reply_compressed(at, reply);
        }
        let tag = FrameTag::new(self.conns[at].form.wire(), reply.kind.opcode());
        self.reply_with(at, reply, tag, reply.parts)
    }

    #[inline(never)]
    fn reply_compressed(&mut self, at: u32, reply: OutgoingReply<'_>) -> Result<(), QueueFull> {
        let mut packed = self.buffers.take_for(reply.parts[0].len());
        let compressor = &mut self.conns[at].compressor;
        let is_shorter = compressor.compress(&mut self.codec, reply.parts, &mut packed);
        let opcode = reply.kind.opcode();
        let (tag, parts) = match is_shorter {
            true => (FrameTag::compressed(opcode), [&packed[..], &[]]),
            false => (FrameTag::new(Wire::WebSocket, opcode), reply.parts),
        };
        let result = self.reply_with(at, reply, tag, parts);
        self.buffers.give(packed);
        result
    }

    #[inline]
    fn reply_with(
        &mut self,
        at: u32,
        reply: OutgoingReply<'_>,
        tag: FrameTag,
        parts: [&[u8]; 2],
    ) -> Result<(), QueueFull> {
        let payload_len = parts[0].len() + parts[1].len();
        let len = tag.framed_len(payload_len);
        let rank = Rank::data(reply.options.priority);
        if let Some(message) = reply.message
            && reply.options.is_plain()
            && self.conns[at].takes == Takes::Messages
            && self.reply_buffer_takes(at, rank, len)
        {
            self.reply_in_buffer(at, message, rank, tag, parts);
            return Ok(());
        }
        self.reply_in_queue(at, reply, tag, parts, len as u32)
    }

    /// Adds a reply to the reply buffer, which has room for it.
    #[inline]
    fn reply_in_buffer(
        &mut self,
        at: u32,
        message: MessageRef,
        rank: Rank,
        tag: FrameTag,
        parts: [&[u8]; 2],
    ) {
        let place = if parts[1].is_empty() {
            message.place(parts[0])
        } else {
            None
        };
        let in_place =
            place.is_some_and(|place| self.replies.push_in_place(tag, place, parts[0].len()));
        if !in_place {
            self.replies.push(tag, parts);
        }
        self.counts.delivery.offered += 1;
        self.counts.delivery.queued += 1;
        if self.replies.must_be_flushed() {
            self.add_pressure(at);
        }
        self.schedule_for(at, rank);
    }

    #[inline(never)]
    fn reply_in_queue(
        &mut self,
        at: u32,
        reply: OutgoingReply<'_>,
        tag: FrameTag,
        parts: [&[u8]; 2],
        len: u32,
    ) -> Result<(), QueueFull> {
        if self.replies.owner() == Some(at) && !self.replies_are_held() {
            self.spill_replies(0);
        }
        let conn = &self.conns[at];
        let limits = self.settings.limits.all(conn.form);
        let has_room = self.replies.owner() != Some(at) && conn.queue.has_room(len, limits);
        let waits = reply.waits && reply.options.overflow != OverflowPolicy::Disconnect;
        if waits && conn.takes == Takes::Messages && !has_room {
            return Err(QueueFull);
        }
        let meta = reply.options.meta(|| 0, self.now);
        let frame = self.store.encode_parts(meta, tag, parts);
        self.push(at, frame, reply.options.overflow);
        self.store.release(frame);
        Ok(())
    }

    /// Returns whether a reply of this rank and length goes into the reply buffer: nothing else
    /// waits, not even behind the buffer, the limits hold there too, and it need not be
    /// compressed in the order in which it is written.
    #[inline]
    fn reply_buffer_takes(&mut self, at: u32, rank: Rank, len: usize) -> bool {
        if self.replies.admits(at, rank) {
            return self.replies.has_room_for(len) && self.deferred.is_empty();
        }
        let may_claim = self.may_claim_reply_buffer(at);
        if may_claim {
            let limits = self.settings.limits.all(self.conns[at].form);
            self.replies.claim(at, rank, self.now, limits);
        }
        may_claim
    }

    #[inline]
    fn may_claim_reply_buffer(&self, at: u32) -> bool {
        let conn = &self.conns[at];
        self.replies.owner().is_none()
            // A push that waits must leave first.
            && conn.queue.is_empty()
            && !conn.stop.is_any()
            && !conn.compressor.keeps_context()
    }
}
