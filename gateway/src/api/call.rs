//! A request of the API, from its commands to its response. Commands are carried out one after
//! another: each begins when the one before has its result.

use alloc::collections::VecDeque;
use core::mem;

use bytes::Bytes;
use stentor_core::channels::{ChannelAnswer, Position};
use stentor_core::{Context, DeliveryReport, Handler, HttpRequest, HttpResponse};

use super::answer::{Answer, AnswerForm};
use super::body::{self, QueuedCommand};
use super::method::ApiMethod;
use super::params::ApiCommand;
use super::publish::{Broadcasting, Publishing};
use super::{ApiTarget, target, text};
use crate::client_protocol::json::writer::ObjectWriter;
use crate::client_protocol::{ErrorCode, InvalidPayload};
use crate::session::Shared;
use crate::settings::GatewaySettings;

/// What is kept of a request until it is answered.
#[derive(Debug)]
pub(crate) struct ApiCall {
    /// Commands that have not begun.
    queued: VecDeque<QueuedCommand>,
    pub(super) running: Running,
    pub(super) answer: Answer,
}

/// The command that waits for its result.
#[derive(Debug)]
pub(super) enum Running {
    Nothing,
    Publish(Publishing),
    Broadcast(alloc::boxed::Box<Broadcasting>),
    /// A question to a channel.
    Query(ApiMethod),
}

impl ApiCall {
    pub(crate) fn new() -> Self {
        Self {
            queued: VecDeque::new(),
            running: Running::Nothing,
            answer: Answer::new(AnswerForm::Single),
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

impl<H: Handler> ApiRun<'_, '_, H> {
    /// Begins to carry out the commands of a request.
    pub(crate) fn begin(&mut self, request: &HttpRequest<'_>) {
        let begun = match target(request.path()) {
            Some(ApiTarget::Method(method)) => self.begin_single(method, request),
            Some(ApiTarget::Batch) => self.begin_many(request, AnswerForm::Batch, body::read_batch),
            Some(ApiTarget::Lines) => self.begin_many(request, AnswerForm::Lines, body::read_lines),
            // Such a request is not held.
            None => return self.ctx.respond(HttpResponse::new(404)),
        };
        match begun {
            Ok(()) => self.advance(),
            Err(_) => {
                self.shared.stats.api.undecodable += 1;
                let response = HttpResponse::new(400);
                let reason = "the body is not what the method takes\n";
                self.ctx.respond(text(response, reason));
            }
        }
    }

    fn begin_single(
        &mut self,
        method: ApiMethod,
        request: &HttpRequest<'_>,
    ) -> Result<(), serde_json::Error> {
        // A method without required parameters needs no body.
        let needs_none = matches!(method, ApiMethod::Info | ApiMethod::Channels);
        let params = match request.body() {
            b"" if needs_none => b"{}",
            body => body,
        };
        let command = ApiCommand::read(method, params)?;
        if self.settings.api.transport_errors || asks_for_transport_errors(request) {
            self.call.answer = Answer::new(AnswerForm::Transport);
        }
        self.start(method, &command);
        Ok(())
    }

    fn begin_many(
        &mut self,
        request: &HttpRequest<'_>,
        form: AnswerForm,
        read: fn(&Bytes) -> Result<VecDeque<QueuedCommand>, serde_json::Error>,
    ) -> Result<(), serde_json::Error> {
        self.call.queued = read(&Bytes::copy_from_slice(request.body()))?;
        self.call.answer = Answer::new(form);
        Ok(())
    }

    /// Carries out the commands that follow, and responds behind the last.
    pub(super) fn advance(&mut self) {
        while matches!(self.call.running, Running::Nothing) {
            let Some(QueuedCommand { method, params }) = self.call.queued.pop_front() else {
                let answer = mem::replace(&mut self.call.answer, Answer::new(AnswerForm::Single));
                return self.ctx.respond(answer.into_response());
            };
            let Some(method) = method else {
                self.fail(ErrorCode::MethodNotFound);
                continue;
            };
            match ApiCommand::read(method, &params) {
                Ok(command) => self.start(method, &command),
                // It was read before.
                Err(_) => self.fail(ErrorCode::Internal),
            }
        }
    }

    fn start(&mut self, method: ApiMethod, command: &ApiCommand<'_>) {
        self.shared.stats.api.add_call(method);
        let begun = match command {
            ApiCommand::Publish(params) => self.publish(params),
            ApiCommand::Broadcast(params) => self.broadcast(params),
            ApiCommand::Presence(params) | ApiCommand::PresenceStats(params) => {
                self.presence(method, params)
            }
            ApiCommand::History(params) => self.history(params),
            ApiCommand::HistoryRemove(params) => self.remove_history(params),
            ApiCommand::Channels(_) | ApiCommand::Info => Err(ErrorCode::NotAvailable),
            // There are no procedures.
            ApiCommand::Rpc => Err(ErrorCode::MethodNotFound),
        };
        if let Err(code) = begun {
            self.fail(code);
        }
    }

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

    /// Takes the place of a publication in the order of its channel.
    pub(crate) fn handle_accepted(&mut self, ticket: u64, position: Option<Position>) {
        match self.call.running {
            Running::Publish(_) => self.publication_accepted(position),
            Running::Broadcast(_) => self.broadcast_accepted(ticket, position),
            _ => {}
        }
        self.advance();
    }

    /// Takes what happened to a publication at the queues of the subscribers.
    pub(crate) fn handle_report(&mut self, ticket: u64, report: DeliveryReport) {
        match self.call.running {
            Running::Publish(_) => self.publication_reported(report),
            Running::Broadcast(_) => self.broadcast_reported(ticket, report),
            _ => {}
        }
        self.advance();
    }

    /// Takes the answer of a channel.
    pub(crate) fn handle_answer(&mut self, answer: ChannelAnswer) {
        if let Running::Query(method) = self.call.running {
            self.channel_answered(method, answer);
        }
        self.advance();
    }
}

fn asks_for_transport_errors(request: &HttpRequest<'_>) -> bool {
    let mut modes = request.header("x-centrifugo-error-mode");
    modes.next() == Some(b"transport")
}
