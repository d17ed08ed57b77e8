//! Owns the first thing a socket says: its request, which becomes a WebSocket
//! connection, a page or a refusal.

use super::Shard;
use super::engine::Engine;
use super::output::{Event, Output};
use super::slot::Phase;
use crate::error::HandshakeError;
use crate::handler::{Handler, Verdict};
use crate::handshake::{self, Decision, Fields, Page, Request};

impl<H: Handler> Shard<H> {
    /// Takes the request if it is all there; says how much of the input it was.
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
            Ok(Decision::Upgrade(upgrade)) => match self.handler.on_request(&request) {
                Verdict::Accept { state, subprotocol } => {
                    let place = subprotocol.place(upgrade.subprotocol);
                    let subprotocol = place.and_then(|n| request.subprotocols().nth(n));
                    self.engine.open(at, state, &upgrade.accept, subprotocol);
                    return len;
                }
                Verdict::Refuse(status) => {
                    self.engine
                        .refuse(at, HandshakeError::Handler(status), head_only);
                }
            },
            Ok(Decision::Page { page, head_only }) => self.engine.answer(at, page, head_only),
            Err(error) => self.engine.refuse(at, error, head_only),
        }
        input.len()
    }
}

impl<H: Handler> Engine<H> {
    fn open(&mut self, at: u32, state: H::State, accept: &[u8], subprotocol: Option<&str>) {
        let mut head = self.buffers.take(ANSWER);
        handshake::response::switching_protocols(&mut head, accept, subprotocol);
        self.push_head(at, &head);
        self.buffers.give(head);
        let slot = &mut self.slots[at];
        slot.phase = Phase::Open;
        slot.state = Some(state);
        slot.flags.upgraded = true;
        slot.deadline = None;
        self.counts.links.opened += 1;
        let id = self.slots.id(at);
        self.tell(Event::Opened(id));
        self.rearm(at);
    }

    pub(super) fn refuse(&mut self, at: u32, error: HandshakeError, head_only: bool) {
        self.counts.refused[error.index()] += 1;
        let id = self.slots.id(at);
        self.tell(Event::Refused(id, error));
        let mut out = self.buffers.take(ANSWER);
        handshake::response::refusal(&mut out, error, head_only);
        self.begin_answer(at, &out);
        self.buffers.give(out);
    }

    fn answer(&mut self, at: u32, page: Page, head_only: bool) {
        let Some(body) = page.body() else {
            self.slots[at].phase = Phase::Answering;
            self.set_deadline(at, self.config.write_timeout);
            let id = self.slots.id(at);
            self.outputs.push_back(Output::Answer {
                id,
                page,
                head_only,
            });
            return;
        };
        let mut out = self.buffers.take(ANSWER);
        handshake::response::page(
            &mut out,
            200,
            page.content_type(),
            body.as_bytes(),
            head_only,
        );
        self.begin_answer(at, &out);
        self.buffers.give(out);
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
