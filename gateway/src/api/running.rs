//! What is kept of a request while its commands are carried out, and how a command ends.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use stentor_core::channels::Position;
use stentor_core::{ConnId, Context, DeliveryReport, Handler, MessageType};

use super::answer::{Answer, AnswerForm};
use super::body::QueuedCommand;
use super::method::ApiMethod;
use crate::client_protocol::json::writer::ObjectWriter;
use crate::client_protocol::{ErrorCode, InvalidPayload};
use crate::namespace_stats::NamespacePlace;
use crate::questions::ShardQuestion;
use crate::session::Shared;
use crate::settings::GatewaySettings;

/// What is kept of a request until it is answered.
#[derive(Debug)]
pub(crate) struct ApiCall {
    /// Commands that have not begun.
    pub(super) queued: VecDeque<QueuedCommand>,
    pub(super) running: Running,
    pub(super) answer: Answer,
    /// The connection that the next publication leaves out.
    pub(super) excluded: Option<ConnId>,
    /// The most clients that the answer is to describe.
    pub(super) limit: usize,
}

/// The command that waits for its result.
#[derive(Debug)]
pub(super) enum Running {
    Nothing,
    Publish(Publishing),
    Broadcast(Box<Broadcasting>),
    /// A question to a channel.
    Query(ApiMethod),
    /// A question to all shards.
    Ask(Asking),
    /// The search for the client that a publication leaves out.
    Locate(QueuedCommand),
}

impl ApiCall {
    pub(crate) fn new() -> Self {
        Self {
            queued: VecDeque::new(),
            running: Running::Nothing,
            answer: Answer::new(AnswerForm::Single),
            excluded: None,
            limit: 0,
        }
    }
}

/// A callback for a request.
#[derive(Debug)]
pub(crate) struct ApiRun<'a, 'c, H: Handler> {
    pub(crate) settings: &'a GatewaySettings,
    pub(crate) shared: &'a mut Shared,
    pub(crate) call: &'a mut ApiCall,
    pub(crate) ctx: &'a mut Context<'c, H, ()>,
}

/// The result of a command that has one at once, or that one follows.
pub(super) type Begun = Result<(), ErrorCode>;

/// A publication that waits for its place in the order of its channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publishing {
    /// Whether what happened at the queues is to be in the result.
    pub(super) wants_report: bool,
    pub(super) counted_at: NamespacePlace,
    /// The position, if any, once it has its place.
    pub(super) accepted: Option<Option<Position>>,
    pub(super) report: Option<DeliveryReport>,
}

/// A broadcast of which not every publication has its result.
#[derive(Debug)]
pub(super) struct Broadcasting {
    pub(super) channels: Vec<Box<str>>,
    /// One for each channel that was begun.
    pub(super) items: Vec<Result<Publishing, ErrorCode>>,
    /// How many of these have no result.
    pub(super) unfinished: usize,
    pub(super) content: Content,
}

/// What a broadcast publishes.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) data: Bytes,
    pub(super) kind: MessageType,
    pub(super) excluded: Option<ConnId>,
    pub(super) wishes: Wishes,
    pub(super) annotation: Box<[u8]>,
    pub(super) tags: Vec<(Box<str>, Box<str>)>,
}

/// How a caller wants its publication to be treated.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    pub(super) skip_history: bool,
    pub(super) delta: bool,
    pub(super) idempotency_key: Bytes,
    pub(super) version: u64,
    pub(super) version_epoch: Bytes,
    pub(super) priority: Option<u8>,
    pub(super) ttl: Option<Duration>,
    pub(super) key: Option<u64>,
    pub(super) delivery: bool,
}

/// A question to all shards.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) method: ApiMethod,
    /// What is asked after it.
    pub(super) next: Option<ShardQuestion>,
}

impl<H: Handler> ApiRun<'_, '_, H> {
    /// Ends the command that is running with a result.
    pub(super) fn succeed(
        &mut self,
        method: ApiMethod,
        fill: impl FnOnce(&mut ObjectWriter<'_>) -> Result<(), InvalidPayload>,
    ) {
        self.call.running = Running::Nothing;
        self.call.answer.succeed(method, fill);
    }

    /// Ends the command that is running with an error.
    pub(super) fn fail(&mut self, code: ErrorCode) {
        self.call.running = Running::Nothing;
        self.shared.stats.api.add_error(code);
        self.call.answer.fail(code);
    }
}
