//! Actions of clients: how they connect, what they send, how they misbehave and how they leave.

use stentor_core::MessageType;
use stentor_core::shard::Admission;
use stentor_core::testing::deflate::Params;
use stentor_core::testing::wire::Opcode;

use super::client_observer::ClientObserver;
use super::plan::{Act, PlanStep};
use super::setup::MAX_MESSAGE;
use super::words;
use super::world::World;
use crate::simulator::REQUEST;

impl Act {
    /// Returns whether whoever does this has left, and comes back as another.
    pub(super) const fn ends(self) -> bool {
        matches!(
            self,
            Self::Close { .. }
                | Self::AskToClose { .. }
                | Self::Shut
                | Self::ShutWithin
                | Self::Reset
                | Self::Vanish
                | Self::Misbehave { .. }
                | Self::Crash
        )
    }
}

impl<const WAITS: bool> World<WAITS> {
    /// Returns the client of this number in the plan, a new one if the last has gone. `None` if
    /// its socket is closed without an answer.
    pub(super) fn connected_client(&mut self, who: usize) -> Option<usize> {
        if let Some(client) = self.connected[who]
            && self.sim.is_held(client)
            && !self.sim.client(client).is_over()
            && self.observers[client].close_code.is_none()
        {
            return Some(client);
        }
        let client = self.sim.dial_any()?;
        let offer = self.rng.percent(50).then(|| self.offer());
        self.sim.ask(client, offer);
        self.meet(client);
        self.connected[who] = Some(client);
        Some(client)
    }

    fn meet(&mut self, client: usize) {
        let id = self.sim.id_of(client);
        debug_assert_eq!(client, self.observers.len());
        self.observers.push(ClientObserver::new(id));
        self.log.borrow_mut().meet(id);
    }

    fn offer(&mut self) -> Params {
        let mut bits = || self.rng.percent(40).then(|| 9 + self.rng.below(7) as u8);
        Params {
            server_max_window_bits: bits(),
            client_max_window_bits: bits(),
            server_no_context_takeover: self.rng.percent(30),
            client_no_context_takeover: self.rng.percent(30),
        }
    }

    pub(super) fn act(&mut self, client: usize, step: &PlanStep) {
        if let Some(message) = words::say(step.n, step.act) {
            self.say(client, step, &message);
            return;
        }
        match step.act {
            Act::Pings { count } => {
                for _ in 0..count {
                    self.ping(client);
                }
            }
            Act::Reads(reader) => self.sim.client_mut(client).reader = reader,
            Act::FallSilent => self.sim.client_mut(client).pongs = false,
            Act::Close { code } => self.sim.close(client, code),
            Act::Shut => self.sim.shut(client),
            Act::ShutWithin => {
                self.observers[client].is_cut_short = true;
                let client_at = self.sim.client_mut(client);
                // Whatever it said now would be taken for the rest.
                client_at.pongs = false;
                client_at.closes = false;
                let frame = client_at.frame(Opcode::Text, true, &[b'x'; 300]);
                let cut = 1 + self.rng.below(frame.len() - 1);
                self.sim.send_bytes(client, &frame[..cut]);
                self.sim.shut(client);
            }
            Act::Reset => self.sim.reset(client),
            Act::Vanish => self.sim.vanish(client),
            Act::Misbehave { how } => self.misbehave(client, how),
            _ => {}
        }
    }

    fn say(&mut self, client: usize, step: &PlanStep, message: &[u8]) {
        let kind = words::kind(step.n);
        let pieces = match step.act {
            Act::Publish { pieces, .. } | Act::Reply { pieces, .. } => pieces.into(),
            _ => 1,
        };
        if pieces < 2 {
            self.sim.send(client, kind, message);
        } else {
            self.say_in_pieces(client, kind, message, pieces);
        }
        if matches!(step.act, Act::Join { .. } | Act::Leave { .. }) {
            self.sim.send(client, MessageType::Text, words::MARK);
        }
    }

    fn say_in_pieces(&mut self, client: usize, kind: MessageType, message: &[u8], pieces: usize) {
        let mut opcode = kind.opcode();
        let len = message.len().div_ceil(pieces);
        let mut rest = message;
        while rest.len() > len {
            let (piece, more) = rest.split_at(len);
            self.sim.send_frame(client, opcode, false, piece);
            self.ping(client);
            (opcode, rest) = (Opcode::Continuation, more);
        }
        self.sim.send_frame(client, opcode, true, rest);
    }

    fn ping(&mut self, client: usize) {
        let observer = &mut self.observers[client];
        let payload = observer.pings.to_be_bytes();
        observer.pings += 1;
        self.sim.send_frame(client, Opcode::Ping, true, &payload);
    }

    fn misbehave(&mut self, client: usize, how: u8) {
        match how {
            0 => self.sim.send_bytes(client, &[0xF1, 0x80, 0, 0, 0, 0]),
            1 => self.sim.send_bytes(client, &[0x81, 0x01, b'x']),
            2 => self
                .sim
                .send_frame(client, Opcode::Text, true, &[0xC3, 0x28]),
            3 => {
                let long = [b'x'; MAX_MESSAGE + 1];
                self.sim.send_frame(client, Opcode::Binary, true, &long);
            }
            4 => self
                .sim
                .send_frame(client, Opcode::Continuation, true, b"of what"),
            _ => {
                self.sim.send_frame(client, Opcode::Text, false, b"");
                for _ in 0..=self.setup.config.max_empty_fragments() {
                    self.sim
                        .send_frame(client, Opcode::Continuation, false, b"");
                }
            }
        }
    }

    /// Somebody comes by who does not become a WebSocket client.
    pub(super) fn visit(&mut self, how: u8) {
        let shard = self.rng.below(self.setup.config.shards().into());
        let (admission, request) = match how {
            0 => (
                Admission::Normal,
                &b"GET /metrics HTTP/1.1\r\nHost: sim\r\n\r\n"[..],
            ),
            1 => (
                Admission::Normal,
                &b"GET /healthz HTTP/1.1\r\nHost: sim\r\n\r\n"[..],
            ),
            2 => (
                Admission::Normal,
                &b"GET /ws HTTP/1.1\r\nHost: sim\r\n\r\n"[..],
            ),
            3 => (
                Admission::Normal,
                &b"\x16\x03\x01 this is no HTTP\r\n\r\n"[..],
            ),
            4 => (Admission::Normal, &REQUEST[..40]),
            5 => (Admission::Normal, &b""[..]),
            _ => (Admission::Surplus, REQUEST),
        };
        let client = self.sim.dial_as(shard, admission);
        self.meet(client);
        self.sim.send_bytes(client, request);
    }
}
