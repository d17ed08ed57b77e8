//! Owns what is said to one connection by its name: at once where it is on this
//! shard, by a letter of its own otherwise.

use bytes::Bytes;

use crate::app::{DeliveryReport, Handler};
use crate::channels::message::{Completion, Direct, MessageBody, Notification, Origin};
use crate::delivery::frame::FrameId;
use crate::delivery::queue::SendOptions;
use crate::id::ConnId;
use crate::proto::ws::header::Tag;
use crate::proto::ws::opcode::MessageType;
use crate::session::deferred::Wait;
use crate::session::slot::Phase;
use crate::shard::engine::Engine;
use crate::time::Timestamp;

impl<H: Handler> Engine<H> {
    /// Says something to a connection on behalf of another.
    pub(crate) fn send(
        &mut self,
        at: u32,
        to: ConnId,
        kind: MessageType,
        options: SendOptions,
        payload: &[u8],
    ) -> Result<(), Wait> {
        let shard = to.shard();
        let is_elsewhere = shard != self.id && shard.0 < self.config.shards;
        if is_elsewhere {
            self.take_credit(at, shard, payload.len())?;
            self.counts.direct.sent += 1;
            let direct = Direct {
                to,
                origin: Origin::Conn(self.borrower(at, shard)),
                kind,
                options,
                published: self.now,
                payload: Bytes::copy_from_slice(payload),
            };
            self.post(shard, MessageBody::Send(direct));
            self.wake_first(Wait::Credit(shard));
            return Ok(());
        }
        if options.receipt.is_some() && self.lane_is_held() {
            // What becomes of it at our own queue is not known before that is free.
            return Err(Wait::Callback);
        }
        self.counts.direct.sent += 1;
        let outcome = self.offer(to, options, self.now, kind, Payload::Here(payload));
        if let Some(ticket) = options.receipt {
            self.report(Completion {
                conn: self.slots.id(at),
                ticket,
                told: Notification::DeliveryReport(outcome),
            });
        }
        Ok(())
    }

    /// Something is said to a connection that is, or was, on this shard.
    pub(crate) fn take_direct(&mut self, direct: Direct) {
        let Direct {
            to,
            origin,
            kind,
            options,
            published,
            payload,
        } = direct;
        let outcome = self.offer(to, options, published, kind, Payload::Sent(&payload));
        let Origin::Conn(from) = origin else { return };
        let report = options.receipt.map(|ticket| Completion {
            conn: from.conn,
            ticket,
            told: Notification::DeliveryReport(outcome),
        });
        self.give_credit_back(from, self.id, payload.len(), report);
    }

    /// Offers a message to the queue of one connection, if there is one; says what
    /// became of it there.
    fn offer(
        &mut self,
        to: ConnId,
        options: SendOptions,
        published: Timestamp,
        kind: MessageType,
        words: Payload<'_>,
    ) -> DeliveryReport {
        let open = |&at: &u32| self.slots[at].phase == Phase::Open;
        let Some(at) = self.slots.find(to).filter(open) else {
            self.counts.direct.undeliverable += 1;
            return DeliveryReport::default();
        };
        self.counts.direct.offered += 1;
        self.end_volley();
        let before = self.counted();
        let frame = self.encode_for(at, options, published, kind, words);
        self.push(at, frame, options.overflow);
        self.store.release(frame);
        DeliveryReport {
            members: 1,
            ..DeliveryReport::from_parts(self.counted_since(before))
        }
    }

    /// A message for one connection, in the form that it takes.
    fn encode_for(
        &mut self,
        at: u32,
        options: SendOptions,
        published: Timestamp,
        kind: MessageType,
        words: Payload<'_>,
    ) -> FrameId {
        let (label, opcode) = (self.label(None, options, published), kind.opcode());
        let bytes = match words {
            Payload::Here(bytes) => bytes,
            Payload::Sent(bytes) => bytes,
        };
        if self.packs_at_once(at, bytes.len()) {
            let mut packed = self.workspace.buffers.take_for(bytes.len());
            let conn = &mut self.slots[at].conn;
            let frame = conn
                .deflate(&mut self.workspace, [bytes, &[]], &mut packed)
                .then(|| {
                    let tag = Tag::compressed(opcode);
                    self.store.encode_parts(label, tag, [&packed, &[]])
                });
            self.workspace.give(packed);
            if let Some(frame) = frame {
                return frame;
            }
        }
        match words {
            Payload::Here(bytes) => self.store.encode(label, opcode, bytes),
            Payload::Sent(bytes) => self.store.encode_shared(label, opcode, bytes),
        }
    }
}

/// What is said, and whether it is there to be kept.
#[derive(Clone, Copy)]
enum Payload<'a> {
    Here(&'a [u8]),
    Sent(&'a Bytes),
}
