//! Answers to requests: the upgrade of a connection, a page or a refusal, and the state of HTTP
//! between two of them. Does not contain the decision, which is in `shard::http`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use smallvec::SmallVec;

use crate::CloseCode;
use crate::channels::fan_outs::EVERYONE;
use crate::delivery::codec::{Codec, Form};
use crate::engine::Engine;
use crate::engine::output::{Event, Output};
use crate::proto::http::{HandshakeError, HttpConnection, HttpState, Page, PageContent, PageIndex};
use crate::proto::wire::{Decoder, Wire};
use crate::proto::ws::Role;
use crate::proto::ws::deflate::{Compressor, Params};
use crate::proto::ws::upgrade::{self, Upgrade};
use crate::session::app_types::AppTypes;
use crate::session::head::HeadProgress;
use crate::session::http_exchange::{AnswerSource, HttpExchange};
use crate::session::phase::PhaseStep;
use crate::session::slot::SubprotocolIndex;

impl<A: AppTypes> Engine<A> {
    /// Opens a session over WebSocket.
    pub(crate) fn open(
        &mut self,
        at: u32,
        state: A::State,
        codec: Codec,
        upgrade: &Upgrade,
        subprotocol: Option<&str>,
        fields: &[(&str, &[u8])],
    ) {
        //= rfc6455#section-4.2.2 "Extensions not listed by the client MUST NOT be listed."
        //= rfc6455#section-9 "A server MUST NOT respond with any extension not requested by the..."
        let is_answered = self.slots[at].is_answered();
        let offer = upgrade.deflate.filter(|_| !is_answered);
        let agreed = offer.and_then(|offer| self.agree(offer));
        let mut head = self.decode_buffers.buffers.take_for(ANSWER);
        if !is_answered {
            let accept = &upgrade.accept;
            //= rfc6455#section-4.2.2 "The value chosen MUST be derived from the client's handshake,..."
            //= rfc6455#section-4.2.2 "if the server does not wish to agree to one of the suggested..."
            upgrade::switching_protocols(&mut head, accept, subprotocol, agreed.as_ref(), fields);
        }
        let form = Form::new(codec, Wire::WebSocket);
        self.begin_session(at, state, form, agreed.as_ref(), &head);
        self.decode_buffers.give(head);
        if !is_answered {
            let subprotocol = SubprotocolIndex::new(subprotocol, &self.config.subprotocols);
            self.slots[at].subprotocol = subprotocol;
        }
    }

    /// Opens a session over a wire without handshake.
    pub(crate) fn open_over(
        &mut self,
        at: u32,
        state: A::State,
        form: Form,
        fields: &[(&str, &[u8])],
    ) {
        let mut head = self.decode_buffers.buffers.take_for(ANSWER);
        form.wire().open(&mut head, fields);
        self.begin_session(at, state, form, None, &head);
        self.decode_buffers.give(head);
    }

    /// Begins a session whose link has this form, with this head of its response, which is empty if
    /// another server has answered. `agreed` is the compression that was agreed on.
    fn begin_session(
        &mut self,
        at: u32,
        state: A::State,
        form: Form,
        agreed: Option<&Params>,
        head: &[u8],
    ) {
        let limits = self.config.codec_limits(form.codec());
        let decoder = Decoder::new(form.wire(), agreed, limits.max_message);
        let mut compressor = Compressor::NONE;
        if let Some(agreed) = agreed {
            let level = self.config.compression_level as u8;
            self.counts.deflate.agreed += 1;
            self.context_bytes += decoder.context_bytes();
            compressor = Compressor::new(Role::Server, agreed, level);
        }
        drop(self.take_exchange(at));
        if !head.is_empty() {
            self.out.send_head(at, head);
        }
        self.out.open(at, form, compressor);
        let slot = &mut self.slots[at];
        slot.decoder = decoder;
        slot.advance(PhaseStep::Open);
        slot.state = Some(state);
        slot.flags.set_upgraded(true);
        slot.moment = Some(self.now);
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
    pub(crate) fn refuse(
        &mut self,
        at: u32,
        mut connection: HttpConnection,
        error: HandshakeError,
    ) {
        self.count_refused(at, error);
        if self.slots[at].is_answered() {
            return self.refuse_answered(at, error.status());
        }
        let mut out = self.decode_buffers.buffers.take_for(ANSWER);
        let written = connection.refuse(&mut out, error);
        debug_assert!(written.is_ok(), "no response has begun");
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
        drop(self.take_exchange(at));
        self.slots[at].advance(PhaseStep::Answer);
        self.set_deadline(at, self.config.write_timeout);
        self.push_close(at, Some(code), "");
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
        self.close_if_last(at, &mut connection);
        let mut out = self.decode_buffers.buffers.take_for(ANSWER + body.len());
        write_response(&mut connection, &mut out, status, fields, body);
        self.begin_answer(at, &out, Some(connection));
        self.decode_buffers.give(out);
    }

    /// Answers a request with a page of the configuration, or has the adapter render it.
    pub(crate) fn respond_with_page(
        &mut self,
        at: u32,
        connection: HttpConnection,
        index: PageIndex,
    ) {
        if self.slots[at].is_answered() {
            return self.refuse_answered(at, 200);
        }
        match self.config.pages.get(index).map(Page::content) {
            Some(PageContent::Fixed(content)) => {
                let content = content.clone();
                self.write_page(at, connection, index, 200, None, &content);
            }
            Some(&PageContent::Rendered(page)) => {
                let exchange = HttpExchange {
                    waits_for: AnswerSource::Adapter(index),
                    ..HttpExchange::new(connection)
                };
                self.await_answer(at, exchange, self.config.write_timeout);
                let id = self.slots.id(at);
                self.outputs.push_back(Output::Page { id, page });
            }
            Some(PageContent::Readiness) => {
                let readiness = self.readiness();
                let text = readiness.text().as_bytes();
                self.write_page(at, connection, index, readiness.status(), None, text);
            }
            None => self.refuse(at, connection, HandshakeError::NotFound),
        }
    }

    /// Answers a request with a page: its fields, and this content. A page that the adapter has
    /// rendered has its media type from there.
    pub(crate) fn write_page(
        &mut self,
        at: u32,
        mut connection: HttpConnection,
        index: PageIndex,
        status: u16,
        content_type: Option<&str>,
        content: &[u8],
    ) {
        self.close_if_last(at, &mut connection);
        let mut out = self.decode_buffers.buffers.take_for(ANSWER + content.len());
        let page = self.config.pages.get(index);
        let content_type = content_type.map(|value| ("Content-Type", value.as_bytes()));
        let fields = page.into_iter().flat_map(Page::fields);
        let fields: SmallVec<[_; 4]> = content_type.into_iter().chain(fields).collect();
        write_response(&mut connection, &mut out, status, &fields, content);
        drop(fields);
        self.begin_answer(at, &out, Some(connection));
        self.decode_buffers.give(out);
    }

    /// Has a response say that the connection ends with it, if it does.
    fn close_if_last(&self, at: u32, connection: &mut HttpConnection) {
        if self.draining || self.slots[at].flags.surplus() {
            connection.close();
        }
    }

    /// Keeps a request until it can be answered, at most this long.
    pub(crate) fn await_answer(&mut self, at: u32, exchange: HttpExchange, limit: Duration) {
        self.slots[at].advance(PhaseStep::Answer);
        self.keep_exchange(at, exchange);
        self.set_deadline(at, limit);
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

    /// Takes out the state of HTTP in order to refuse what arrives.
    pub(crate) fn take_connection(&mut self, at: u32) -> HttpConnection {
        let exchange = self.take_exchange(at);
        exchange.map_or_else(HttpConnection::new, |exchange| exchange.connection)
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
        self.slots[at].advance(PhaseStep::Answer);
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
        self.slots[at].advance(PhaseStep::NextRequest);
        self.set_deadline(at, self.config.handshake_timeout);
        self.schedule(at);
    }
}

/// Appends a response, or a 500 if it cannot be sent.
fn write_response(
    connection: &mut HttpConnection,
    out: &mut Vec<u8>,
    status: u16,
    fields: &[(&str, &[u8])],
    body: &[u8],
) {
    if connection
        .write_response(out, status, fields, body)
        .is_err()
    {
        let written = connection.write_response(out, 500, &[], b"");
        debug_assert!(written.is_ok(), "the request waits for its answer");
    }
}

/// About as long as a short answer, in bytes.
const ANSWER: usize = 512;
