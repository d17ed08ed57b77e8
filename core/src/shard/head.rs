//! Owns the first thing a socket says: its request, which becomes a WebSocket
//! connection, a page or a refusal.

use super::Shard;
use super::engine::Engine;
use super::output::{Event, Output};
use super::slot::{Phase, Subprotocol};
use crate::conn::{Connection, Role};
use crate::deflate::Params;
use crate::error::HandshakeError;
use crate::handler::{Handler, Verdict};
use crate::handshake::{self, Content, Decision, Fields, Page, Request, Upgrade};

impl<H: Handler> Shard<H> {
    /// Takes the request if it is all there; says how much of the input it was.
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
    //# When a client establishes a WebSocket connection to a server, the server
    //# MUST complete the following steps to accept the connection and send the
    //# server's opening handshake.
    pub(super) fn consume_head(&mut self, at: u32, input: &[u8]) -> usize {
        let mut fields = Fields::new();
        let (request, len) = match Request::parse(input, &mut fields, &self.engine.config) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return 0,
            Err(error) => {
                self.engine.refuse(at, error, false);
                return input.len();
            }
        };
        let head_only = request.is_head();
        let decision = if self.engine.draining {
            Err(HandshakeError::Draining)
        } else {
            handshake::decide(&request, &self.engine.config)
        };
        let surplus = self.engine.slots[at].flags.surplus;
        match decision {
            // Monitors still get their pages: a full server is when they matter.
            Ok(Decision::Upgrade(_)) if surplus => {
                self.engine.refuse(at, HandshakeError::Full, head_only);
            }
            Ok(Decision::Upgrade(_)) if self.engine.is_short_of_memory() => {
                self.engine.refuse(at, HandshakeError::Memory, head_only);
            }
            Ok(Decision::Upgrade(upgrade)) => match self.handler.on_request(&request) {
                Verdict::Accept { state, subprotocol } => {
                    let place = subprotocol.place(upgrade.subprotocol);
                    let subprotocol = place.and_then(|n| request.subprotocols().nth(n));
                    self.engine.open(at, state, &upgrade, subprotocol);
                    return len;
                }
                Verdict::Refuse(status) => {
                    self.engine
                        .refuse(at, HandshakeError::Handler(status), head_only);
                }
            },
            Ok(Decision::Methods) => self.engine.answer_methods(at),
            Ok(Decision::Page { page, head_only }) => self.engine.answer(at, page, head_only),
            Err(error) => self.engine.refuse(at, error, head_only),
        }
        input.len()
    }
}

impl<H: Handler> Engine<H> {
    fn open(&mut self, at: u32, state: H::State, upgrade: &Upgrade, subprotocol: Option<&str>) {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
        //# Extensions not listed by the client MUST NOT be listed.
        //= https://www.rfc-editor.org/rfc/rfc6455#section-9
        //# A server MUST NOT respond with any extension not requested by
        //# the client.
        let agreed = upgrade.deflate.and_then(|offer| self.agree(offer));
        if let Some(agreed) = &agreed {
            let level = self.config.compression_level as u8;
            let conn = Connection::with_deflate(Role::Server, agreed, level);
            self.counts.deflate.agreed += 1;
            self.context_bytes += conn.context_bytes();
            self.slots[at].conn = conn;
        }
        let mut head = self.workspace.buffers.take_for(ANSWER);
        let accept = &upgrade.accept;
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
        //# The value chosen MUST be derived from the client's handshake,
        //# specifically by selecting one of the values from the
        //# |Sec-WebSocket-Protocol| field that the server is willing to use for
        //# this connection (if any).
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
        //# if the server does not wish to agree to one of the suggested
        //# subprotocols, it MUST NOT send back a |Sec-WebSocket-Protocol|
        //# header field in its response
        handshake::response::switching_protocols(&mut head, accept, subprotocol, agreed.as_ref());
        self.push_head(at, &head);
        self.workspace.give(head);
        let slot = &mut self.slots[at];
        slot.phase = Phase::Open;
        slot.state = Some(state);
        slot.flags.upgraded = true;
        slot.moment = Some(self.now);
        slot.subprotocol = Subprotocol::new(subprotocol, &self.config.subprotocols);
        self.counts.links.opened += 1;
        self.counts.links.active += 1;
        let id = self.slots.id(at);
        self.tell(Event::Opened(id));
        self.rearm(at);
    }

    /// The answer to an offer: with contexts, if there is room for them.
    fn agree(&mut self, offer: Params) -> Option<Params> {
        let with_contexts = offer.answer(self.config.deflate_terms(true))?;
        let needed = self.context_bytes + with_contexts.context_bytes();
        if needed <= self.config.compression_contexts {
            return Some(with_contexts);
        }
        self.counts.deflate.contexts_denied += u64::from(self.config.compression_contexts > 0);
        offer.answer(self.config.deflate_terms(false))
    }

    //= https://www.rfc-editor.org/rfc/rfc6455#section-10.7
    //# If the invalid data is sent during the WebSocket handshake, the server
    //# SHOULD return an appropriate HTTP [RFC2616] status code.
    pub(super) fn refuse(&mut self, at: u32, error: HandshakeError, head_only: bool) {
        self.counts.refused[error.index()] += 1;
        let id = self.slots.id(at);
        self.tell(Event::Refused(id, error));
        let mut out = self.workspace.buffers.take_for(ANSWER);
        handshake::response::refusal(&mut out, error, head_only);
        self.begin_answer(at, &out);
        self.workspace.give(out);
    }

    fn answer_methods(&mut self, at: u32) {
        let mut out = self.workspace.buffers.take_for(ANSWER);
        handshake::response::methods(&mut out);
        self.begin_answer(at, &out);
        self.workspace.give(out);
    }

    fn answer(&mut self, at: u32, page: Page, head_only: bool) {
        match page.content() {
            Content::Fixed { content_type, body } => {
                let mut out = self.workspace.buffers.take_for(ANSWER);
                let body = body.as_bytes();
                handshake::response::page(&mut out, 200, content_type, body, head_only);
                self.begin_answer(at, &out);
                self.workspace.give(out);
            }
            Content::Metrics => {
                self.slots[at].phase = Phase::Answering;
                self.set_deadline(at, self.config.write_timeout);
                let id = self.slots.id(at);
                self.outputs.push_back(Output::Metrics { id, head_only });
            }
        }
    }

    pub(super) fn begin_answer(&mut self, at: u32, bytes: &[u8]) {
        self.counts.sent.pages += 1;
        self.slots[at].phase = Phase::Answering;
        self.set_deadline(at, self.config.write_timeout);
        self.push_head(at, bytes);
    }
}

/// About as long as a short answer, in bytes.
const ANSWER: usize = 512;
