//! Owns the application that comes with the server: rooms and tasks, spoken in
//! messages such as `join:lobby` and `msg:hello`. A connection is in one room
//! at most.

use alloc::sync::Arc;
use core::hash::BuildHasher;
use core::time::Duration;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::CloseCode;
use crate::app::{Context, Decision, DeliveryReport, Handler, Message, TaskEnd};
use crate::command::{Command, answer, is_room_name, priority};
use crate::delivery::queue::{OverflowPolicy, SendOptions};
use crate::id::WorkerId;
use crate::proto::http::Request;
use crate::proto::ws::opcode::MessageType;
use crate::tasks::{TaskOptions, TaskOrder};

/// The rooms-and-tasks application.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rooms {
    /// What becomes of `msg:` from a connection in no room.
    pub outside: Outside,
    /// Whether the sender of `msg:` is left out.
    pub exclude_sender: bool,
    /// Which tasks wait for which.
    pub task_order: TaskOrder,
    /// What a message to a room does at a full queue.
    pub overflow: OverflowPolicy,
    /// How long a message to a room is worth sending, if not for ever.
    pub ttl: Option<Duration>,
}

/// Where `msg:` goes from a connection in no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outside {
    /// Nowhere.
    #[default]
    Nothing,
    /// To every connection of the server, in a room or not.
    Everyone,
}

/// A `task:` of a client.
#[derive(Clone, Debug)]
pub struct RoomTask {
    kind: MessageType,
    text: Arc<[u8]>,
}

/// What a worker made of it.
#[derive(Clone, Debug)]
pub struct RoomOutcome {
    kind: MessageType,
    worker: WorkerId,
    text: Arc<[u8]>,
}

impl RoomTask {
    /// Does the work: there is none but to say which worker did it.
    pub fn run(&self, worker: WorkerId) -> RoomOutcome {
        RoomOutcome {
            kind: self.kind,
            worker,
            text: self.text.clone(),
        }
    }
}

impl Rooms {
    /// How what is said in a room is treated.
    fn options(&self, priority: u8) -> SendOptions {
        SendOptions {
            ttl: self.ttl,
            ..SendOptions::new(priority).overflow(self.overflow)
        }
    }
}

impl Handler for Rooms {
    type State = ();
    type Task = RoomTask;
    type Outcome = RoomOutcome;

    fn on_request(&mut self, _: &Request<'_>) -> Decision<()> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, Message { kind, payload }: Message<'_>) {
        match Command::parse(payload) {
            Command::Join(name) if !is_room_name(name) => {
                ctx.reply(kind, priority::ERROR, answer::BAD_ROOM);
            }
            Command::Join(name) => {
                let old = ctx.room().cloned();
                if let Some(old) = old.filter(|old| old != name) {
                    ctx.leave(&old);
                }
                ctx.join(name);
                ctx.reply_parts(kind, priority::MEMBERSHIP, answer::JOINED, name);
            }
            Command::Leave => {
                let Some(room) = ctx.room().cloned() else {
                    ctx.reply(kind, priority::ERROR, answer::NO_ROOM);
                    return;
                };
                ctx.leave(&room);
                ctx.reply_parts(kind, priority::MEMBERSHIP, answer::LEFT, &room);
            }
            Command::Publish { text, key, receipt } => {
                let mut options = self.options(priority::PUBLICATION);
                // Whoever finds two keys of one number disturbs the room no more
                // than by using one key for both.
                options.key = key.map(|key| FixedState::default().hash_one(key));
                options.receipt = receipt.then_some(kind as u64);
                if ctx.room().is_some() {
                    ctx.publish_here(kind, options, text, self.exclude_sender);
                } else if self.outside == Outside::Everyone {
                    ctx.broadcast_all(kind, options, text, self.exclude_sender);
                } else if receipt {
                    ctx.reply(kind, priority::ERROR, answer::NO_ROOM);
                }
            }
            Command::Task(text) => {
                let text = Arc::from(text);
                let options = TaskOptions::new().order(self.task_order);
                ctx.submit_with(RoomTask { kind, text }, options);
            }
            Command::Other(text) => {
                ctx.reply_parts(kind, priority::ECHO, answer::ECHO, text);
            }
        }
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
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
        } = outcome;
        let numbers =
            alloc::format!("{members},{queued},{refused},{evicted},{conflated},{expired}");
        ctx.reply_parts(kind, priority::OUTCOME, answer::SENT, numbers.as_bytes());
    }

    fn on_join_refused(&mut self, ctx: &mut Context<'_, Self>, _: &[u8]) {
        // It is in no other room, so there is no memory for this one. Whatever it has asked for
        // since would mean something else in no room.
        ctx.close(CloseCode::TRY_LATER);
    }

    fn on_outcome(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        match end {
            TaskEnd::Done(RoomOutcome { kind, worker, text }) => {
                ctx.reply_parts(kind, priority::OUTCOME, &processed_by(worker), &text);
                if ctx.room().is_some() {
                    let told = [answer::ROOM_BROADCAST, &text[..]].concat();
                    ctx.publish_here(kind, self.options(priority::ROOM_OUTCOME), &told, false);
                }
            }
            TaskEnd::Refused(RoomTask { kind, .. }) => {
                ctx.reply(kind, priority::ERROR, answer::TASK_REJECTED);
            }
            TaskEnd::Failed { .. } => {
                ctx.reply(MessageType::Text, priority::ERROR, answer::TASK_FAILED);
            }
        }
    }
}

/// Which worker has done a task, as the answer says it: `processed_by_7:`.
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
    fn a_worker_is_named_by_its_number() {
        for worker in (0..1_100).chain([9_999, 10_000, u16::MAX]) {
            let expected = alloc::format!("processed_by_{worker}:");
            assert_eq!(&processed_by(WorkerId(worker))[..], expected.as_bytes());
        }
    }
}
