//! Owns the first thing a socket says: its request, which becomes a WebSocket
//! connection, a page or a refusal.

use crate::app::{Decision, Handler};
use crate::channels::fan_out::EVERYONE;
use crate::proto::http::response;
use crate::proto::http::{Content, Fields, HandshakeError, Page, Request};
use crate::proto::ws::deflate::{Compressor, Params};
use crate::proto::ws::upgrade;
use crate::proto::ws::upgrade::{HeadAction, Upgrade};
use crate::proto::ws::{Connection, Role};
use crate::session::slot::{Phase, Subprotocol};
use crate::shard::Shard;
use crate::shard::engine::Engine;
use crate::shard::output::{Event, Output};

/// How much of a request head that comes in pieces has been parsed. A head is parsed from
/// its start each time, so not with each piece: what all this takes is bounded by a multiple
/// of its length, however small the pieces are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadProgress {
    /// Bytes that were there the last time.
    seen: u32,
    /// Bytes parsed, those of every time.
    parsed: u32,
    /// Pieces with ends of lines for which it was.
    lines: u16,
}

impl HeadProgress {
    pub(crate) const NONE: Self = Self {
        seen: 0,
        parsed: 0,
        lines: 0,
    };

    /// Whether what has come by now may be all, or enough to be worth it.
    fn is_worth_parsing(&mut self, input: &[u8], max_head: usize) -> bool {
        let len = input.len() as u32;
        let piece = input.get(self.seen as usize..).unwrap_or_default();
        self.seen = len;
        let ends_line = self.lines < MOST_LINES && piece.contains(&b'\n');
        self.lines += u16::from(ends_line);
        let is_worth = ends_line
            || input.len() > max_head
            || u64::from(self.parsed) < u64::from(len) * PARSED_PER_BYTE;
        if is_worth {
            self.parsed = self.parsed.saturating_add(len);
        }
        is_worth
    }
}

impl<H: Handler> Shard<H> {
    /// Takes the request if it is all there; says how much of the input it was.
    //= rfc6455#section-4.2.2 "When a client establishes a WebSocket connection to a server, the..."
    pub(crate) fn consume_head(&mut self, at: u32, input: &[u8]) -> usize {
        if let Some(pending) = &mut self.engine.slots[at].pending
            && !pending
                .head
                .is_worth_parsing(input, self.engine.config.max_head)
        {
            return 0;
        }
        let mut fields = Fields::new();
        let (request, len) =
            match Request::parse(input, &mut fields, self.engine.config.head_limits()) {
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
            upgrade::decide(&request, &self.engine.config.upgrade_policy())
        };
        let surplus = self.engine.slots[at].flags.surplus;
        match decision {
            // Monitors still get their pages: a full server is when they matter.
            Ok(HeadAction::Upgrade(_)) if surplus => {
                self.engine.refuse(at, HandshakeError::Full, head_only);
            }
            Ok(HeadAction::Upgrade(_)) if self.engine.is_short_of_memory(0) => {
                self.engine.refuse(at, HandshakeError::Memory, head_only);
            }
            Ok(HeadAction::Upgrade(upgrade)) => match self.handler.on_request(&request) {
                Decision::Accept { state, subprotocol } => {
                    let place = subprotocol.place(upgrade.subprotocol);
                    let subprotocol = place.and_then(|n| request.subprotocols().nth(n));
                    self.engine.open(at, state, &upgrade, subprotocol);
                    return len;
                }
                Decision::Reject(status) => {
                    self.engine
                        .refuse(at, HandshakeError::Handler(status), head_only);
                }
            },
            Ok(HeadAction::Methods) => self.engine.answer_methods(at),
            Ok(HeadAction::Page { page, head_only }) => self.engine.answer(at, page, head_only),
            Err(error) => self.engine.refuse(at, error, head_only),
        }
        input.len()
    }
}

impl<H: Handler> Engine<H> {
    fn open(&mut self, at: u32, state: H::State, upgrade: &Upgrade, subprotocol: Option<&str>) {
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
        let mut head = self.workspace.buffers.take_for(ANSWER);
        let accept = &upgrade.accept;
        //= rfc6455#section-4.2.2 "The value chosen MUST be derived from the client's handshake,..."
        //= rfc6455#section-4.2.2 "if the server does not wish to agree to one of the suggested..."
        upgrade::switching_protocols(&mut head, accept, subprotocol, agreed.as_ref());
        self.out.send_head(at, &head);
        self.out.open(at, compressor);
        self.workspace.give(head);
        let slot = &mut self.slots[at];
        slot.phase = Phase::Open;
        slot.state = Some(state);
        slot.flags.upgraded = true;
        slot.moment = Some(self.now);
        slot.subprotocol = Subprotocol::new(subprotocol, &self.config.subprotocols);
        self.counts.links.opened += 1;
        self.counts.links.active += 1;
        self.fan_outs.joined(EVERYONE, at);
        let id = self.slots.id(at);
        self.tell(Event::Opened(id));
        self.rearm(at);
    }

    /// The answer to an offer: with contexts, if there is room for them.
    fn agree(&mut self, offer: Params) -> Option<Params> {
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
        self.tell(Event::Refused(id, error));
        let mut out = self.workspace.buffers.take_for(ANSWER);
        response::refusal(&mut out, error, head_only);
        self.begin_answer(at, &out);
        self.workspace.give(out);
    }

    fn answer_methods(&mut self, at: u32) {
        let mut out = self.workspace.buffers.take_for(ANSWER);
        response::methods(&mut out);
        self.begin_answer(at, &out);
        self.workspace.give(out);
    }

    fn answer(&mut self, at: u32, page: Page, head_only: bool) {
        match page.content() {
            Content::Fixed {
                content_type,
                policy,
                body,
            } => {
                let mut out = self.workspace.buffers.take_for(ANSWER);
                let policy = policy.map(|policy| ("Content-Security-Policy", policy));
                let body = body.as_bytes();
                response::page_with(&mut out, 200, policy, content_type, body, head_only);
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

    pub(crate) fn begin_answer(&mut self, at: u32, bytes: &[u8]) {
        self.out.count_page();
        self.slots[at].phase = Phase::Answering;
        self.set_deadline(at, self.config.write_timeout);
        self.out.send_head(at, bytes);
    }
}

/// Pieces with an end of a line that are parsed whatever was before: more than a request may
/// have lines.
const MOST_LINES: u16 = 256;
/// How many bytes of a head may be parsed for each byte of it that has come, beside that.
const PARSED_PER_BYTE: u64 = 16;
/// About as long as a short answer, in bytes.
const ANSWER: usize = 512;

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    const MAX_HEAD: usize = 64 << 10;

    /// How many bytes are parsed of a head that comes in pieces of this length, and whether
    /// all of it is once it is there.
    fn parsed(head: &[u8], piece: usize) -> (usize, bool) {
        let mut progress = HeadProgress::NONE;
        let (mut parsed, mut whole) = (0, false);
        for end in (piece..head.len()).step_by(piece).chain([head.len()]) {
            whole = progress.is_worth_parsing(&head[..end], MAX_HEAD);
            parsed += if whole { end } else { 0 };
        }
        (parsed, whole)
    }

    #[test]
    fn a_head_in_the_smallest_pieces_is_parsed_in_linear_time() {
        let line = vec![b'a'; MAX_HEAD - 4];
        let long: Vec<u8> = [&line[..], b"\r\n\r\n"].concat();
        for piece in [1, 2, 3, 100, 1_000] {
            let (parsed, whole) = parsed(&long, piece);
            assert!(whole, "{piece}: it is there");
            assert!(parsed <= 20 * MAX_HEAD, "{piece}: {parsed}");
        }
        // As many lines as fit: each piece ends one.
        let lines = b"a:\n".repeat(MAX_HEAD / 3);
        let (parsed, _) = parsed(&lines, 3);
        assert!(parsed <= 20 * MAX_HEAD, "{parsed}");
    }

    #[test]
    fn every_line_of_a_request_is_looked_at_when_it_ends() {
        let head = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
        for piece in 1..head.len() {
            assert!(parsed(head, piece).1, "{piece}");
        }
        let mut progress = HeadProgress::NONE;
        let lines = b"a:b\r\n".repeat(200);
        for end in 1..=lines.len() {
            let looks = progress.is_worth_parsing(&lines[..end], MAX_HEAD);
            assert!(looks || lines[end - 1] != b'\n', "{end}");
        }
    }
}
