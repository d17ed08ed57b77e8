//! Messages to one connection by its id: queued at once on this shard, sent as a message to another
//! shard.

use bytes::Bytes;

use crate::CloseCode;
use crate::channels::RemoteResult;
use crate::channels::delivery_report::DeliveryReport;
use crate::channels::delivery_report::counted;
use crate::channels::message::{Completion, Direct, MessageBody, Notification, Requester};
use crate::delivery::MessagePayload;
use crate::delivery::queue::SendOptions;
use crate::engine::Engine;
use crate::id::ConnId;
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::session::phase::Phase;
use crate::stats::CloseCause;
use crate::time::Timestamp;

impl<A: AppTypes> Engine<A> {
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
                origin: Requester::Conn(self.slots.id(at)),
                kind,
                options,
                published: self.now,
                payload: Bytes::copy_from_slice(payload),
            };
            self.post(shard, MessageBody::Send(direct));
            self.wake_first(Wait::Credit(shard));
            return Ok(());
        }
        if options.receipt.is_some() && self.out.replies_are_held() {
            // What becomes of it at our own queue is not known before that is free.
            return Err(Wait::Callback);
        }
        self.counts.direct.sent += 1;
        let outcome = self.deliver_to(
            to,
            options,
            self.now,
            kind,
            MessagePayload::Borrowed(payload),
        );
        if let Some(ticket) = options.receipt {
            self.report(Completion {
                conn: self.slots.id(at),
                ticket,
                answer: Notification::DeliveryReport(outcome),
            });
        }
        Ok(())
    }

    /// Closes a connection on behalf of another.
    pub(crate) fn close_other(
        &mut self,
        to: ConnId,
        code: CloseCode,
        reason: &'static str,
    ) -> Result<(), Wait> {
        let shard = to.shard();
        if shard != self.id && shard.0 < self.config.shards {
            let close = MessageBody::Close {
                conn: to,
                code,
                reason,
            };
            self.post(shard, close);
        } else if self.must_wait_to_leave() {
            return Err(Wait::Callback);
        } else {
            self.close_named(to, code, reason);
        }
        Ok(())
    }

    /// Closes a connection that is, or was, on this shard.
    pub(crate) fn close_named(&mut self, conn: ConnId, code: CloseCode, reason: &str) {
        if let Some(at) = self.find_open(conn) {
            self.begin_close(at, code, reason, CloseCause::Handler);
        }
    }

    /// Something is said to a connection that is, or was, on this shard.
    pub(crate) fn deliver_direct(&mut self, direct: Direct) {
        let Direct {
            to,
            origin,
            kind,
            options,
            published,
            payload,
        } = direct;
        let outcome = self.deliver_to(
            to,
            options,
            published,
            kind,
            MessagePayload::Owned(&payload),
        );
        let from = match origin {
            Requester::Conn(from) => from,
            Requester::Outside(permit) => {
                return permit.finish(|| RemoteResult::Delivered(outcome));
            }
            Requester::Owner => return,
        };
        let report = options.receipt.map(|ticket| Completion {
            conn: from,
            ticket,
            answer: Notification::DeliveryReport(outcome),
        });
        self.give_credit_back(from, self.id, payload.len(), report);
    }

    /// Offers a message to the queue of one connection, if there is one; says what
    /// became of it there.
    pub(crate) fn deliver_to(
        &mut self,
        to: ConnId,
        options: SendOptions,
        published: Timestamp,
        kind: MessageType,
        payload: MessagePayload<'_>,
    ) -> DeliveryReport {
        let open = |&at: &u32| self.slots[at].phase() == Phase::Open;
        let Some(at) = self.slots.find(to).filter(open) else {
            self.counts.direct.undeliverable += 1;
            return DeliveryReport::default();
        };
        self.counts.direct.offered += 1;
        let before = counted(&mut self.out);
        let meta = options.meta(|| 0, published);
        self.out.send(at, (meta, options.overflow), kind, payload);
        DeliveryReport {
            members: 1,
            ..counted(&mut self.out).since(before).into()
        }
    }
}
