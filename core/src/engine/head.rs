//! Answers to a request head: the upgrade of a connection, a page or a refusal. Does not contain
//! the decision, which is in `shard::head`.

use crate::channels::fan_outs::EVERYONE;
use crate::engine::Engine;
use crate::engine::output::{Event, Output};
use crate::proto::http::HandshakeError;
use crate::proto::http::{Content, Page, response};
use crate::proto::ws::deflate::{Compressor, Params};
use crate::proto::ws::upgrade::{self, Upgrade};
use crate::proto::ws::{Connection, Role};
use crate::session::app_types::AppTypes;
use crate::session::slot::{Phase, SubprotocolIndex};

impl<A: AppTypes> Engine<A> {
    pub(crate) fn open(
        &mut self,
        at: u32,
        state: A::State,
        upgrade: &Upgrade,
        subprotocol: Option<&str>,
    ) {
        //= rfc6455#section-4.2.2 "Extensions not listed by the client MUST NOT be listed."
        //= rfc6455#section-9 "A server MUST NOT respond with any extension not requested by the..."
        let agreed = upgrade.deflate.and_then(|offer| self.agree(offer));
        let mut compressor = Compressor::NONE;
        if let Some(agreed) = &agreed {
            let level = self.config.compression_level as u8;
            let conn = Connection::with_deflate(Role::Server, agreed);
            self.counts.deflate.agreed += 1;
            self.context_bytes += conn.context_bytes();
            self.slots[at].conn = conn;
            compressor = Compressor::new(Role::Server, agreed, level);
        }
        let mut head = self.decode_buffers.buffers.take_for(ANSWER);
        let accept = &upgrade.accept;
        //= rfc6455#section-4.2.2 "The value chosen MUST be derived from the client's handshake,..."
        //= rfc6455#section-4.2.2 "if the server does not wish to agree to one of the suggested..."
        upgrade::switching_protocols(&mut head, accept, subprotocol, agreed.as_ref());
        self.out.send_head(at, &head);
        self.out.open(at, compressor);
        self.decode_buffers.give(head);
        let slot = &mut self.slots[at];
        slot.phase = Phase::Open;
        slot.state = Some(state);
        slot.flags.set_upgraded(true);
        slot.moment = Some(self.now);
        slot.subprotocol = SubprotocolIndex::new(subprotocol, &self.config.subprotocols);
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

    //= rfc6455#section-10.7 "If the invalid data is sent during the WebSocket handshake, the..."
    pub(crate) fn refuse(&mut self, at: u32, error: HandshakeError, head_only: bool) {
        self.counts.refused[error.index()] += 1;
        let id = self.slots.id(at);
        self.emit(Event::Refused(id, error));
        let mut out = self.decode_buffers.buffers.take_for(ANSWER);
        response::refusal(&mut out, error, head_only);
        self.begin_answer(at, &out);
        self.decode_buffers.give(out);
    }

    pub(crate) fn answer_methods(&mut self, at: u32) {
        let mut out = self.decode_buffers.buffers.take_for(ANSWER);
        response::methods(&mut out);
        self.begin_answer(at, &out);
        self.decode_buffers.give(out);
    }

    pub(crate) fn answer(&mut self, at: u32, page: Page, head_only: bool) {
        match page.content() {
            Content::Fixed {
                content_type,
                policy,
                body,
            } => {
                let mut out = self.decode_buffers.buffers.take_for(ANSWER);
                let policy = policy.map(|policy| ("Content-Security-Policy", policy));
                let body = body.as_bytes();
                response::page_with(&mut out, 200, policy, content_type, body, head_only);
                self.begin_answer(at, &out);
                self.decode_buffers.give(out);
            }
            Content::Metrics => {
                self.slots[at].phase = Phase::Answering;
                self.set_deadline(at, self.config.write_timeout);
                let id = self.slots.id(at);
                self.outputs.push_back(Output::Metrics { id, head_only });
            }
        }
    }

    pub(crate) fn begin_answer(&mut self, at: u32, bytes: &[u8]) {
        self.out.count_page();
        self.slots[at].phase = Phase::Answering;
        self.set_deadline(at, self.config.write_timeout);
        self.out.send_head(at, bytes);
    }
}

/// About as long as a short answer, in bytes.
const ANSWER: usize = 512;
