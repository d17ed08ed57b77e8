//! A request of the API, from its commands to its response. Commands are carried out one after
//! another: each begins when the one before has its result.

use alloc::collections::VecDeque;
use core::mem;

use bytes::Bytes;
use stentor_core::channels::{ChannelAnswer, Position};
use stentor_core::{DeliveryReport, Handler, HttpRequest, HttpResponse, ShardId};

use super::answer::{Answer, AnswerForm};
use super::body::{self, QueuedCommand};
use super::method::ApiMethod;
use super::params::ApiCommand;
use super::running::{ApiRun, Begun, Running};
use super::{ApiTarget, target, text};
use crate::client_protocol::ErrorCode;

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
        self.start(method, params, &command);
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
            if self.call.answer.len() >= self.settings.api.max_answer {
                // Each may ask for much more than it is long.
                self.fail(ErrorCode::LimitExceeded);
                continue;
            }
            match ApiCommand::read(method, &params) {
                Ok(command) => self.start(method, &params, &command),
                // It was read before.
                Err(_) => self.fail(ErrorCode::Internal),
            }
        }
    }

    fn start(&mut self, method: ApiMethod, params: &[u8], command: &ApiCommand<'_>) {
        self.shared.stats.api.add_call(method);
        let begun = match command {
            ApiCommand::Publish(publication) | ApiCommand::Broadcast(publication)
                if !publication.exclude.is_empty() =>
            {
                self.locate(method, params, &publication.exclude)
            }
            _ => self.execute(method, command),
        };
        if let Err(code) = begun {
            self.fail(code);
        }
    }

    pub(super) fn execute(&mut self, method: ApiMethod, command: &ApiCommand<'_>) -> Begun {
        match command {
            ApiCommand::Publish(params) => self.publish(params),
            ApiCommand::Broadcast(params) => self.broadcast(params),
            ApiCommand::Presence(params) | ApiCommand::PresenceStats(params) => {
                self.presence(method, params)
            }
            ApiCommand::History(params) => self.history(params),
            ApiCommand::HistoryRemove(params) => self.remove_history(params),
            ApiCommand::Channels(params) => self.channels(params),
            ApiCommand::Info => self.info(),
            ApiCommand::Subscribe(params) => self.subscribe(params),
            ApiCommand::Unsubscribe(params) => self.unsubscribe(params),
            ApiCommand::Disconnect(params) => self.disconnect(params),
            ApiCommand::Refresh(params) => self.refresh(params),
            ApiCommand::Connections(params) => self.connections(params),
            ApiCommand::Explain(params) => self.explain(params),
            ApiCommand::Ban(params) => self.ban(params),
            ApiCommand::Unban(params) => self.unban(params),
            // There are no procedures.
            ApiCommand::Rpc => Err(ErrorCode::MethodNotFound),
        }
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

    /// Takes the answers of all shards.
    pub(crate) fn handle_shard_answers(&mut self, answers: &[(ShardId, Bytes)]) {
        match self.call.running {
            Running::Locate(_) => self.located(answers),
            _ => self.shards_answered(answers),
        }
        self.advance();
    }
}

fn asks_for_transport_errors(request: &HttpRequest<'_>) -> bool {
    let mut modes = request.header("x-centrifugo-error-mode");
    modes.next() == Some(b"transport")
}
