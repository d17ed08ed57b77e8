//! The rooms application: a connection is in at most one room, publishes to it and submits tasks.

use alloc::sync::Arc;
use core::hash::BuildHasher;
use core::time::Duration;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use stentor_core::channels::{Publication, Retention};
use stentor_core::id::WorkerId;
use stentor_core::tasks::TaskOrder;
use stentor_core::{
    CloseCode, Context, Decision, DeliveryReport, Handler, HttpRequest, Message, MessageType,
    OverflowPolicy, SendOptions, TaskEnd, TaskOptions,
};

use crate::command::{RoomCommand, answer, is_room_name, priority};

/// The rooms application and its settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rooms {
    /// The recipients of a `msg` from a connection that is in no room.
    pub no_room: NoRoomPolicy,
    /// Whether the sender of a `msg` does not receive it.
    pub exclude_sender: bool,
    /// The order of the tasks of a connection.
    pub task_order: TaskOrder,
    /// The overflow policy of room messages.
    pub overflow: OverflowPolicy,
    /// The time to live of room messages, unlimited if `None`.
    pub ttl: Option<Duration>,
}

/// The recipients of a `msg` from a connection that is in no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NoRoomPolicy {
    /// None.
    #[default]
    Nothing,
    /// All connections of the server.
    Everyone,
}

/// A task of a client.
#[derive(Clone, Debug)]
pub struct RoomTask {
    kind: MessageType,
    text: Arc<[u8]>,
}

/// The result of a task.
#[derive(Clone, Debug)]
pub struct RoomOutcome {
    kind: MessageType,
    worker: WorkerId,
    text: Arc<[u8]>,
}

impl RoomTask {
    /// Runs the task, which only records the worker.
    pub fn run(&self, worker: WorkerId) -> RoomOutcome {
        RoomOutcome {
            kind: self.kind,
            worker,
            text: self.text.clone(),
        }
    }
}

/// How rooms are channels: which channel a room is, and what is done with publications to it.
pub(crate) trait RoomChannels<H: Handler> {
    /// Returns whether the connection may be a member of a room.
    fn may_join(&self, room: &[u8]) -> bool;

    /// Makes the connection a member of a room that it may be one of.
    fn join<S>(&self, ctx: &mut Context<'_, H, S>, room: &[u8]);

    /// Returns what is done with a publication of the connection to a channel.
    fn publishing(&self, channel: &[u8]) -> Publishing;

    /// Returns the name of the room that a channel is.
    fn room<'c>(&self, channel: &'c [u8]) -> &'c [u8];
}

/// What is done with a publication to a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Publishing {
    /// The connection may not publish.
    Refused,
    /// It is delivered.
    Delivered,
    /// It is delivered and kept. What is kept leaves in order, so its priority and what it may replace
    /// are those of the channel.
    Kept(SendOptions, Retention),
}

/// Rooms that are channels of the same name, which everybody may join.
struct OpenRooms;

impl<H: Handler> RoomChannels<H> for OpenRooms {
    fn may_join(&self, _: &[u8]) -> bool {
        true
    }

    fn join<S>(&self, ctx: &mut Context<'_, H, S>, room: &[u8]) {
        ctx.subscribe(room);
    }

    fn publishing(&self, _: &[u8]) -> Publishing {
        Publishing::Delivered
    }

    fn room<'c>(&self, channel: &'c [u8]) -> &'c [u8] {
        channel
    }
}

/// A publication of a client, or the result of its task.
struct RoomMessage<'a> {
    kind: MessageType,
    priority: u8,
    key: Option<&'a [u8]>,
    receipt: bool,
    text: &'a [u8],
}

impl Rooms {
    /// Publishes a message to a channel. Returns whether that is allowed.
    fn publish<H: Handler, S>(
        &self,
        rooms: &impl RoomChannels<H>,
        ctx: &mut Context<'_, H, S>,
        channel: &[u8],
        message: &RoomMessage<'_>,
    ) -> bool {
        let (kind, text) = (message.kind, message.text);
        match rooms.publishing(channel) {
            Publishing::Refused => return false,
            Publishing::Delivered => {
                let options = self.complete(self.options(message), message);
                ctx.publish(channel, kind, options, text);
            }
            Publishing::Kept(options, retention) => {
                let publication = Publication::new(kind, self.complete(options, message), text);
                ctx.publish_with(channel, publication.retention(retention));
            }
        }
        true
    }

    /// Returns the send options of a message for whose channel nothing else is said.
    fn options(&self, message: &RoomMessage<'_>) -> SendOptions {
        let mut options = SendOptions::new(message.priority).overflow(self.overflow);
        if let Some(ttl) = self.ttl {
            options = options.ttl(ttl);
        }
        // Two keys with one hash have the effect of one key, which a client could use for both as well.
        if let Some(key) = message.key {
            options = options.key(FixedState::default().hash_one(key));
        }
        options
    }

    /// Returns send options with what a message has in every channel.
    fn complete(&self, mut options: SendOptions, message: &RoomMessage<'_>) -> SendOptions {
        if message.receipt {
            options = options.receipt(message.kind as u64);
        }
        if self.exclude_sender && message.priority == priority::PUBLICATION {
            options = options.exclude_sender();
        }
        options
    }

    /// Carries out a command.
    pub(crate) fn handle_message<H, S>(
        &self,
        rooms: &impl RoomChannels<H>,
        ctx: &mut Context<'_, H, S>,
        Message { kind, payload }: Message<'_>,
    ) where
        H: Handler<Task = RoomTask, Outcome = RoomOutcome>,
    {
        match RoomCommand::parse(payload) {
            RoomCommand::Join(name) if !is_room_name(name) || !rooms.may_join(name) => {
                ctx.reply(kind, priority::ERROR, answer::BAD_ROOM);
            }
            RoomCommand::Join(name) => {
                let old = ctx.channel().cloned();
                if let Some(old) = old.filter(|old| rooms.room(old) != name) {
                    ctx.unsubscribe(&old);
                }
                rooms.join(ctx, name);
                ctx.reply_parts(kind, priority::MEMBERSHIP, answer::JOINED, name);
            }
            RoomCommand::Leave => {
                let Some(channel) = ctx.channel().cloned() else {
                    ctx.reply(kind, priority::ERROR, answer::NO_ROOM);
                    return;
                };
                ctx.unsubscribe(&channel);
                let room = rooms.room(&channel);
                ctx.reply_parts(kind, priority::MEMBERSHIP, answer::LEFT, room);
            }
            RoomCommand::Publish { text, key, receipt } => {
                let message = RoomMessage {
                    kind,
                    priority: priority::PUBLICATION,
                    key,
                    receipt,
                    text,
                };
                if let Some(channel) = ctx.channel().cloned() {
                    if !self.publish(rooms, ctx, &channel, &message) {
                        ctx.reply(kind, priority::ERROR, answer::BAD_ROOM);
                    }
                } else if self.no_room == NoRoomPolicy::Everyone {
                    let options = self.complete(self.options(&message), &message);
                    ctx.broadcast(kind, options, text);
                } else if receipt {
                    ctx.reply(kind, priority::ERROR, answer::NO_ROOM);
                }
            }
            RoomCommand::Task(text) => {
                let text = Arc::from(text);
                let options = TaskOptions::new().order(self.task_order);
                ctx.submit_with(RoomTask { kind, text }, options);
            }
            RoomCommand::Other(text) => {
                ctx.reply_parts(kind, priority::ECHO, answer::ECHO, text);
            }
        }
    }

    /// Tells a client what became of its publication.
    pub(crate) fn handle_report<H: Handler, S>(
        ctx: &mut Context<'_, H, S>,
        ticket: u64,
        outcome: DeliveryReport,
    ) {
        let kind = if ticket == MessageType::Text as u64 {
            MessageType::Text
        } else {
            MessageType::Binary
        };
        let DeliveryReport {
            members,
            queued,
            refused,
            evicted,
            conflated,
            expired,
            ..
        } = outcome;
        let numbers =
            alloc::format!("{members},{queued},{refused},{evicted},{conflated},{expired}");
        ctx.reply_parts(kind, priority::OUTCOME, answer::SENT, numbers.as_bytes());
    }

    /// Takes the end of a task.
    pub(crate) fn handle_task<H, S>(
        &self,
        rooms: &impl RoomChannels<H>,
        ctx: &mut Context<'_, H, S>,
        end: TaskEnd<H>,
    ) where
        H: Handler<Task = RoomTask, Outcome = RoomOutcome>,
    {
        match end {
            TaskEnd::Done(RoomOutcome { kind, worker, text }) => {
                ctx.reply_parts(kind, priority::OUTCOME, &processed_by(worker), &text);
                if let Some(channel) = ctx.channel().cloned() {
                    let message = RoomMessage {
                        kind,
                        priority: priority::ROOM_OUTCOME,
                        key: None,
                        receipt: false,
                        text: &[answer::ROOM_BROADCAST, &text[..]].concat(),
                    };
                    self.publish(rooms, ctx, &channel, &message);
                }
            }
            TaskEnd::Refused(RoomTask { kind, .. }) => {
                ctx.reply(kind, priority::ERROR, answer::TASK_REJECTED);
            }
            // `Failed`, the only other one.
            _ => {
                ctx.reply(MessageType::Text, priority::ERROR, answer::TASK_FAILED);
            }
        }
    }

    /// Takes the refusal to make a client a member of a room.
    pub(crate) fn handle_refusal<H: Handler, S>(ctx: &mut Context<'_, H, S>) {
        // It is in no other room, so memory is short. Its further commands assume that it has joined.
        ctx.close(CloseCode::TRY_LATER);
    }
}

impl Handler for Rooms {
    type State = ();
    type Task = RoomTask;
    type Outcome = RoomOutcome;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        self.handle_message(&OpenRooms, ctx, message);
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
        Self::handle_report(ctx, ticket, outcome);
    }

    fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, _: &[u8]) {
        Self::handle_refusal(ctx);
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        self.handle_task(&OpenRooms, ctx, end);
    }
}

/// Formats the beginning of the answer to a task: `processed_by_7:`.
fn processed_by(worker: WorkerId) -> SmallVec<[u8; 24]> {
    let mut by = SmallVec::from_slice(answer::PROCESSED_BY);
    let digits = worker.0.checked_ilog10().unwrap_or_default();
    for place in (0..=digits).rev() {
        by.push(b'0' + (worker.0 / 10_u16.pow(place) % 10) as u8);
    }
    by.push(b':');
    by
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_task_has_the_number_of_the_worker() {
        for worker in (0..1_100).chain([9_999, 10_000, u16::MAX]) {
            let expected = alloc::format!("processed_by_{worker}:");
            assert_eq!(&processed_by(WorkerId(worker))[..], expected.as_bytes());
        }
    }
}
