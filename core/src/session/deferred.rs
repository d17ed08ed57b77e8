//! Deferred input of a connection: bytes of an incomplete frame, operations that wait, and what
//! they wait for. Most connections have none most of the time.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::CloseCode;
use crate::channels::message::Notification;
use crate::channels::publication::{Publication, Retention, Version};
use crate::channels::query::ChannelQuery;
use crate::channels::question::{Question, ShardRequest, ShardTarget};
use crate::channels::subscription::Subscription;
use crate::delivery::queue::SendOptions;
use crate::id::{ConnId, ShardId};
use crate::proto::ws::opcode::MessageType;
use crate::session::app_types::{AppTypes, TaskEnd};
use crate::session::head::HeadProgress;
use crate::session::http_exchange::HttpExchange;
use crate::session::http_response::HttpResponse;
use crate::stats::CloseCause;
use crate::tasks::TaskOptions;

/// What is held back for one connection.
pub(crate) struct Deferred<A: AppTypes> {
    /// Bytes read and not consumed, from `begin` on.
    pub(crate) buffered: Vec<u8>,
    pub(crate) begin: usize,
    /// Of a request head, what has been looked at.
    pub(crate) head: HeadProgress,
    /// The request under way, or the state between two of them.
    pub(crate) http: Option<Box<HttpExchange>>,
    /// What other shards were asked and have not all answered.
    pub(crate) question: Option<Box<Question>>,
    /// Commands, in the order in which they were given.
    ops: VecDeque<PendingOp<A>>,
    /// Bytes of memory that they own.
    op_bytes: usize,
    /// What they wait for.
    pub(crate) wait: Option<Wait>,
}

impl<A: AppTypes> Deferred<A> {
    pub(crate) const fn new() -> Self {
        Self {
            buffered: Vec::new(),
            begin: 0,
            head: HeadProgress::NONE,
            http: None,
            question: None,
            ops: VecDeque::new(),
            op_bytes: 0,
            wait: None,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffered[self.begin..]
    }

    pub(crate) fn has_ops(&self) -> bool {
        !self.ops.is_empty()
    }

    pub(crate) fn ops(&self) -> usize {
        self.ops.len()
    }

    /// Returns the number and the bytes of memory of the commands if the first is a push that waits
    /// for room, or a subscription, whose answer is one.
    pub(crate) fn behind_push(&self) -> Option<(usize, usize)> {
        let first = self.ops.front();
        let is_push = matches!(
            first,
            Some(PendingOp::Push { .. } | PendingOp::Subscribe(..))
        );
        (is_push && self.wait == Some(Wait::Queue)).then_some((self.ops.len(), self.op_bytes))
    }

    pub(crate) fn push_back(&mut self, op: PendingOp<A>) {
        self.op_bytes += op.memory();
        self.ops.push_back(op);
    }

    pub(crate) fn push_front(&mut self, op: PendingOp<A>) {
        self.op_bytes += op.memory();
        self.ops.push_front(op);
    }

    pub(crate) fn pop_front(&mut self) -> Option<PendingOp<A>> {
        let op = self.ops.pop_front()?;
        self.op_bytes -= op.memory();
        Some(op)
    }

    pub(crate) fn take_ops(&mut self) -> VecDeque<PendingOp<A>> {
        self.op_bytes = 0;
        core::mem::take(&mut self.ops)
    }

    /// Bytes of memory, but for what was read, which is a buffer that is lent.
    pub(crate) fn memory(&self) -> usize {
        let http = self.http.as_ref().map_or(0, |http| http.memory());
        let question = self
            .question
            .as_ref()
            .map_or(0, |question| question.memory());
        let ops = self.ops.capacity() * size_of::<PendingOp<A>>() + self.op_bytes;
        size_of::<Self>() + ops + http + question
    }

    /// Whether nothing is held back.
    pub(crate) fn is_empty(&self) -> bool {
        let has_input = self.begin < self.buffered.len() || self.http.is_some();
        !has_input && self.ops.is_empty() && self.question.is_none()
    }
}

/// What a connection waits for before its commands go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// The answer of a channel's owner to a join.
    Joined,
    /// The answer of a channel's owner to a leave; the channel, by its number here.
    Left(u32),
    /// Credits for what is to go to this shard.
    Credit(ShardId),
    /// Room in its own queue.
    Queue,
    /// The end of one of the tasks that its shard has under way.
    Task,
    /// The answers of other shards to a question.
    Answers,
    /// The end of the callback that runs: its answers may still stand where its message was
    /// read, or the handler is to be told something first.
    Callback,
}

/// A command of a connection's program that could not be carried out at once.
pub(crate) enum PendingOp<A: AppTypes> {
    Join(Bytes),
    /// With more than publications.
    Subscribe(Bytes, Box<Subscription>),
    Leave(Bytes),
    /// With what codecs are told about it, or with an offset.
    PublishWith(Box<OwnedPublication>),
    Query {
        channel: Bytes,
        ticket: u64,
        query: ChannelQuery,
    },
    /// To a channel, or to everyone.
    Publish {
        channel: Option<Bytes>,
        kind: MessageType,
        options: SendOptions,
        payload: Bytes,
    },
    Send {
        to: ConnId,
        kind: MessageType,
        options: SendOptions,
        payload: Bytes,
    },
    /// Another connection is to be closed.
    CloseOther {
        to: ConnId,
        code: CloseCode,
        reason: &'static str,
    },
    Reply {
        kind: MessageType,
        options: SendOptions,
        payload: Bytes,
    },
    Push {
        kind: MessageType,
        payload: Bytes,
    },
    Submit(A::Task, TaskOptions),
    /// Other shards are asked.
    Ask {
        ticket: u64,
        target: ShardTarget,
        payload: Bytes,
    },
    /// The request that is held is answered.
    Respond(Box<HttpResponse>),
    Close {
        code: CloseCode,
        reason: Cow<'static, str>,
        cause: CloseCause,
    },
    /// The handler is to be told.
    TaskEnd(TaskEnd<A>),
    /// The handler is to be told what it has asked for under this ticket.
    Notification(u64, Notification),
    /// The handler is to be asked what another connection asks this one.
    Question(ShardRequest),
    /// The handler is to be told that the timer that it has set is due.
    Timer,
    /// The handler is to be told that the connection is a member of a channel no more.
    PositionLost(Bytes),
    /// The handler is to be told that a channel was one too many.
    JoinRefused(Bytes),
}

/// A publication that waits, with its channel.
pub(crate) struct OwnedPublication {
    pub(crate) channel: Bytes,
    kind: MessageType,
    options: SendOptions,
    payload: Bytes,
    annotation: Bytes,
    retention: Option<Retention>,
    acknowledge: Option<u64>,
    excluded: Option<ConnId>,
    follows: bool,
    idempotency_key: Bytes,
    version: Version<Bytes>,
}

impl OwnedPublication {
    pub(crate) fn new(channel: &[u8], publication: &Publication<'_>) -> Self {
        Self {
            channel: Bytes::copy_from_slice(channel),
            kind: publication.kind,
            options: publication.options,
            payload: Bytes::copy_from_slice(publication.payload),
            annotation: Bytes::copy_from_slice(publication.annotation),
            retention: publication.retention,
            acknowledge: publication.acknowledge,
            excluded: publication.excluded,
            follows: publication.follows,
            idempotency_key: Bytes::copy_from_slice(publication.idempotency_key),
            version: publication.version.to_owned().unwrap_or_default(),
        }
    }

    pub(crate) fn publication(&self) -> Publication<'_> {
        Publication {
            kind: self.kind,
            options: self.options,
            payload: &self.payload,
            annotation: &self.annotation,
            retention: self.retention,
            acknowledge: self.acknowledge,
            excluded: self.excluded,
            follows: self.follows,
            idempotency_key: &self.idempotency_key,
            version: Version {
                number: self.version.number,
                epoch: &self.version.epoch,
            },
        }
    }

    fn memory(&self) -> usize {
        let identity = self.idempotency_key.len() + self.version.epoch.len();
        let content = self.payload.len() + self.annotation.len();
        size_of::<Self>() + self.channel.len() + content + identity
    }
}

impl<A: AppTypes> PendingOp<A> {
    /// Bytes of memory that it owns, as far as that is known: what a task has is its application's.
    fn memory(&self) -> usize {
        match self {
            Self::Join(channel)
            | Self::Leave(channel)
            | Self::JoinRefused(channel)
            | Self::PositionLost(channel) => channel.len(),
            Self::Publish {
                channel, payload, ..
            } => channel.as_ref().map_or(0, Bytes::len) + payload.len(),
            Self::Subscribe(channel, _) => channel.len() + size_of::<Subscription>(),
            Self::PublishWith(publication) => publication.memory(),
            Self::Query { channel, .. } => channel.len(),
            Self::Respond(response) => response.memory(),
            Self::Question(request) => request.payload.len(),
            Self::Send { payload, .. }
            | Self::Ask { payload, .. }
            | Self::Reply { payload, .. }
            | Self::Push { payload, .. } => payload.len(),
            Self::Submit(..)
            | Self::CloseOther { .. }
            | Self::Close { .. }
            | Self::TaskEnd(_)
            | Self::Notification(..)
            | Self::Timer => 0,
        }
    }
}
