//! Handling of messages from other shards and from outside.

use crate::channels::message::{MessageBody, ShardMessage};
use crate::engine::Engine;
use crate::engine::subscribe::Notice;
use crate::session::app_types::AppTypes;

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
            MessageBody::Join {
                conn,
                channel,
                subscription,
            } => self.handle_join(conn, channel, subscription.as_deref()),
            MessageBody::Leave {
                conn,
                channel,
                listened,
            } => self.handle_leave(conn, channel, listened),
            MessageBody::Joined {
                conn,
                channel,
                answer,
            } => self.handle_joined(conn, &channel, answer),
            MessageBody::Left { conn, channel } => self.handle_left(conn, &channel),
            MessageBody::Ask(request) => self.serve_as_owner(request),
            MessageBody::Send(direct) => self.deliver_direct(direct),
            MessageBody::Accepted(report) => self.report(report),
            MessageBody::Close { conn, code, reason } => self.close_named(conn, code, reason),
            MessageBody::Question(request) => self.notices.push_back(Notice::Question(request)),
            MessageBody::QuestionAnswer {
                conn,
                from,
                payload,
            } => self.take_answer(conn, from, payload),
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
}
