//! Handling of messages from other shards and from outside.

use crate::channels::message::{MessageBody, ShardMessage};
use crate::engine::Engine;
use crate::id::ConnId;
use crate::session::app_types::AppTypes;
use crate::session::deferred::Wait;
use crate::session::phase::Phase;

impl<A: AppTypes> Engine<A> {
    /// Does what those messages say that have come since this was last done. The others
    /// wait until what they led to is out.
    #[inline]
    pub(crate) fn handle_new_messages(&mut self) {
        if core::mem::take(&mut self.has_new_messages) {
            self.handle_messages();
        }
    }

    /// Does what messages say, as far as sockets need not be tried first.
    pub(crate) fn handle_messages(&mut self) {
        while !self.must_wait()
            && let Some(message) = self.inbox.pop_front()
        {
            self.command_bytes -= message.command_bytes();
            self.handle_one_message(message);
        }
        self.out.end_batch();
        self.keep_within_budget();
    }

    fn handle_one_message(&mut self, ShardMessage(body): ShardMessage) {
        match body {
            MessageBody::Join { conn, channel } => {
                self.registry.add_remote(&channel, conn.shard());
                self.post(conn.shard(), MessageBody::Joined { conn, channel });
            }
            MessageBody::Leave { conn, channel } => {
                self.registry.remove_remote(&channel, conn.shard());
                self.post(conn.shard(), MessageBody::Left { conn, channel });
            }
            MessageBody::Joined { conn, channel } => self.handle_joined(conn, &channel),
            MessageBody::Left { conn, channel } => self.handle_left(conn, &channel),
            MessageBody::Ask(request) => self.serve_as_owner(request),
            MessageBody::Send(direct) => self.deliver_direct(direct),
            MessageBody::Command(command, place) => self.handle_command(command, place),
            MessageBody::Deliver(shared) => self.fan_out(shared),
            MessageBody::Credit {
                owner,
                bytes,
                report,
            } => self.take_credit_back(owner, bytes, report),
        }
        self.keep_within_budget();
    }

    pub(crate) fn handle_joined(&mut self, conn: ConnId, channel: &bytes::Bytes) {
        let Some(at) = self.slots.find(conn) else {
            return;
        };
        if self.slots[at].phase() == Phase::Open {
            self.slots[at].awaited_answers -= 1;
            self.add_member(at, channel);
            self.unpark(at, Wait::Joined);
        } else {
            // It has ended meanwhile; the answer to this is still awaited.
            let (owner, channel) = (self.registry.owner(channel), channel.clone());
            self.post(owner, MessageBody::Leave { conn, channel });
        }
    }

    pub(crate) fn handle_left(&mut self, conn: ConnId, channel: &[u8]) {
        let Some(at) = self.slots.find(conn) else {
            return;
        };
        self.slots[at].awaited_answers -= 1;
        if let Some(membership) = self.membership(at, channel) {
            self.remove_member(at, membership);
            self.unpark(at, Wait::Left(membership.channel));
        }
        self.free_if_done(at);
    }
}
