//! Answers to requests: the upgrade of a connection, a page or a refusal, and the state of HTTP
//! between two of them. Does not contain the decision, which is in `shard::http`.

use alloc::boxed::Box;
use core::iter;

use smallvec::SmallVec;

use crate::CloseCode;
use crate::channels::fan_outs::EVERYONE;
use crate::engine::Engine;
use crate::engine::output::{Event, Output};
use crate::proto::http::{HandshakeError, HttpConnection, HttpState, Page, PageContent, response};
use crate::proto::ws::deflate::{Compressor, Params};
use crate::proto::ws::upgrade::{self, Upgrade};
use crate::proto::ws::{Connection, Role};
use crate::session::app_types::AppTypes;
use crate::session::head::HeadProgress;
use crate::session::http_exchange::{AnswerSource, HttpExchange};
use crate::session::slot::{Phase, SubprotocolIndex};

impl<A: AppTypes> Engine<A> {
    pub(crate) fn open(
        &mut self,
        at: u32,
        state: A::State,
        upgrade: &Upgrade,
        subprotocol: Option<&str>,
        fields: &[(&str, &[u8])],
    ) {
        //= rfc6455#section-4.2.2 "Extensions not listed by the client MUST NOT be listed."
        //= rfc6455#section-9 "A server MUST NOT respond with any extension not requested by the..."
        let is_answered = self.slots[at].is_answered();
        let offer = upgrade.deflate.filter(|_| !is_answered);
        let agreed = offer.and_then(|offer| self.agree(offer));
        let mut compressor = Compressor::NONE;
        if let Some(agreed) = &agreed {
            let level = self.config.compression_level as u8;
            let conn = Connection::with_deflate(Role::Server, agreed);
            self.counts.deflate.agreed += 1;
            self.context_bytes += conn.context_bytes();
            self.slots[at].conn = conn;
            compressor = Compressor::new(Role::Server, agreed, level);
        }
        drop(self.take_exchange(at));
        if !is_answered {
            let mut head = self.decode_buffers.buffers.take_for(ANSWER);
            let accept = &upgrade.accept;
            //= rfc6455#section-4.2.2 "The value chosen MUST be derived from the client's handshake,..."
            //= rfc6455#section-4.2.2 "if the server does not wish to agree to one of the suggested..."
            upgrade::switching_protocols(&mut head, accept, subprotocol, agreed.as_ref(), fields);
            self.out.send_head(at, &head);
            self.decode_buffers.give(head);
        }
        self.out.open(at, compressor);
        let slot = &mut self.slots[at];
        slot.phase = Phase::Open;
        slot.state = Some(state);
        slot.flags.set_upgraded(true);
        slot.moment = Some(self.now);
        if !is_answered {
            slot.subprotocol = SubprotocolIndex::new(subprotocol, &self.config.subprotocols);
        }
        self.counts.links.opened += 1;
        self.counts.links.active += 1;
        self.fan_outs.joined(EVERYONE, at);
        let id = self.slots.id(at);
        self.emit(Event::Opened(id));
        self.rearm(at);
    }

    /// The answer to an offer: with contexts, if there is room for them.
    pub(crate) fn agree(&mut self, offer: Params) -> Option<Params> {
        let with_contexts = offer.answer(self.config.deflate_terms(true))?;
        let needed = self.context_bytes + self.out.context_bytes() + with_contexts.context_bytes();
        if needed <= self.config.compression_contexts {
            return Some(with_contexts);
        }
        self.counts.deflate.contexts_denied += u64::from(self.config.compression_contexts > 0);
        offer.answer(self.config.deflate_terms(false))
    }

    /// Writes an error response, and ends the connection behind it.
    //= rfc6455#section-10.7 "If the invalid data is sent during the WebSocket handshake, the..."
    pub(crate) fn refuse(&mut self, at: u32, error: HandshakeError, head_only: bool) {
        self.count_refused(at, error);
        if self.slots[at].is_answered() {
            return self.refuse_answered(at, error.status());
        }
        let mut out = self.decode_buffers.buffers.take_for(ANSWER);
        response::refusal(&mut out, error, head_only);
        self.begin_answer(at, &out, None);
        self.decode_buffers.give(out);
    }

    /// Ends a connection whose handshake was answered before it came here with the close code that
    /// says what this status would have.
    fn refuse_answered(&mut self, at: u32, status: u16) {
        let code = match status {
            503 => CloseCode::TRY_LATER,
            500..600 => CloseCode::INTERNAL_ERROR,
            _ => CloseCode::POLICY,
        };
        let [high, low] = code.get().to_be_bytes();
        self.begin_answer(at, &[0x88, 2, high, low], None);
    }

    /// Counts a refusal, and lets the log know.
    pub(crate) fn count_refused(&mut self, at: u32, error: HandshakeError) {
        self.counts.refused[error.index()] += 1;
        let id = self.slots.id(at);
        self.emit(Event::Refused(id, error));
    }

    /// Answers a request that is complete, with content unless it is for HEAD.
    pub(crate) fn respond(
        &mut self,
        at: u32,
        mut connection: HttpConnection,
        status: u16,
        fields: &[(&str, &[u8])],
        body: &[u8],
    ) {
        if self.slots[at].is_answered() {
            return self.refuse_answered(at, status);
        }
        if self.draining || self.slots[at].flags.surplus() {
            connection.close();
        }
        let mut out = self.decode_buffers.buffers.take_for(ANSWER + body.len());
        if connection
            .write_response(&mut out, status, fields, body)
            .is_err()
        {
            out.clear();
            // The application has made a response that cannot be sent.
            let written = connection.write_response(&mut out, 500, &[], b"");
            debug_assert!(written.is_ok());
        }
        self.begin_answer(at, &out, Some(connection));
        self.decode_buffers.give(out);
    }

    /// Answers a request with a page of the server, or has the adapter render it.
    pub(crate) fn respond_with_page(&mut self, at: u32, connection: HttpConnection, page: Page) {
        match page.content() {
            PageContent::Fixed {
                content_type,
                policy,
                body,
            } => {
                let page = (content_type, policy, body.as_bytes());
                self.write_page(at, connection, 200, page);
            }
            PageContent::Metrics => {
                let exchange = HttpExchange {
                    waits_for: AnswerSource::Adapter,
                    ..HttpExchange::new(connection)
                };
                self.await_answer(at, exchange);
                self.set_deadline(at, self.config.write_timeout);
                let id = self.slots.id(at);
                self.outputs.push_back(Output::Metrics { id });
            }
        }
    }

    /// Answers with a page: its media type, its `Content-Security-Policy`, its content.
    pub(crate) fn write_page(
        &mut self,
        at: u32,
        connection: HttpConnection,
        status: u16,
        (content_type, policy, body): (&str, Option<&str>, &[u8]),
    ) {
        let content_type = ("Content-Type", content_type.as_bytes());
        let policy = policy.map(|policy| ("Content-Security-Policy", policy.as_bytes()));
        let fields: SmallVec<[_; 4]> = iter::once(content_type)
            .chain(policy)
            .chain(response::PAGE_FIELDS)
            .collect();
        self.respond(at, connection, status, &fields, body);
    }

    /// Keeps a request until it can be answered.
    pub(crate) fn await_answer(&mut self, at: u32, exchange: HttpExchange) {
        self.slots[at].phase = Phase::Answering;
        self.slots[at].moment = None;
        self.keep_exchange(at, exchange);
    }

    /// Keeps the state of HTTP for the next call.
    pub(crate) fn keep_exchange(&mut self, at: u32, exchange: HttpExchange) {
        self.change_deferred(at, |deferred| deferred.http = Some(Box::new(exchange)));
    }

    /// Takes out what is kept of HTTP.
    pub(crate) fn take_exchange(&mut self, at: u32) -> Option<HttpExchange> {
        self.exchange(at)?;
        let taken = self.change_deferred(at, |deferred| deferred.http.take());
        taken.map(|exchange| *exchange)
    }

    pub(crate) fn exchange(&self, at: u32) -> Option<&HttpExchange> {
        self.slots[at].deferred.as_ref()?.http.as_deref()
    }

    /// A head has been parsed: the next one begins anew.
    pub(crate) fn forget_head_progress(&mut self, at: u32) {
        if let Some(deferred) = &mut self.slots[at].deferred {
            deferred.head = HeadProgress::NONE;
        }
    }

    /// Returns whether a request has begun and is not complete.
    pub(crate) fn is_amid_request(&self, at: u32) -> bool {
        let state = self
            .exchange(at)
            .map(|exchange| exchange.connection.state());
        self.buffered_len(at) > 0 || state == Some(HttpState::Receiving)
    }

    /// Writes a response. Behind it the connection is kept, if `connection` says so, or ends.
    pub(crate) fn begin_answer(
        &mut self,
        at: u32,
        bytes: &[u8],
        connection: Option<HttpConnection>,
    ) {
        self.out.count_page();
        self.slots[at].phase = Phase::Answering;
        self.set_deadline(at, self.config.write_timeout);
        let kept = connection.filter(|connection| connection.state() == HttpState::Idle);
        match kept {
            Some(connection) => self.keep_exchange(at, HttpExchange::new(connection)),
            None => drop(self.take_exchange(at)),
        }
        self.out.send_head(at, bytes);
    }

    /// A response is written: reads the next request, if the connection is kept.
    pub(crate) fn after_answer(&mut self, at: u32) {
        if self.exchange(at).is_none() || self.slots[at].flags.eof() || self.draining {
            return self.shut_write(at);
        }
        self.slots[at].phase = Phase::Head;
        self.set_deadline(at, self.config.handshake_timeout);
        self.schedule(at);
    }
}

/// About as long as a short answer, in bytes.
const ANSWER: usize = 512;
