//! Owns a mix of priorities: every connection has many bulky messages under way
//! and one of each more urgent kind, and each kind's latency is told apart. The
//! connections read slowly, for priorities decide nothing where nothing waits:
//! there has to be more under way than the kernel keeps for a socket, some 3 MB on
//! loopback, and less than the server drops. What an urgent message still waits for
//! is what the kernel has taken. It speaks Stentor's room protocol, with the
//! built-in task.

use std::collections::VecDeque;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use stentor_core::MessageType;

use super::Place;
use super::ask::ask_each;
use super::sustain::{Counted, Flow, PATIENCE, Shape, Tally, Timing, sustain};
use crate::fault::Fault;
use crate::frames;
use crate::measure::{Latencies, Latency};
use crate::net::{Fleet, Link, Links, Traffic, raise_open_files};

/// Messages of every priority at once, and the latency of each
#[derive(Clone, Debug, Args)]
pub(crate) struct Mixed {
    /// Connections, each in a room of its own
    #[arg(short, long, default_value_t = 4, value_parser = super::at_least_one)]
    pub(crate) connections: usize,
    /// Bulky messages under way on each
    #[arg(short = 'd', long, default_value_t = 80, value_parser = super::at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a bulky message
    #[arg(short = 's', long, default_value_t = 64 << 10, value_parser = super::at_least_one)]
    pub(crate) bytes: usize,
    /// Bytes that each connection reads a second
    #[arg(long, default_value_t = 16 << 20, value_parser = super::at_least_one)]
    pub(crate) read_rate: usize,
}

/// One kind of message, and how long it took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Urgency {
    pub(crate) priority: u8,
    pub(crate) what: &'static str,
    pub(crate) messages: u64,
    pub(crate) latency_micros: Option<Latency>,
    /// The most that came to its connection between the asking for one and its coming:
    /// what was ahead of it, in bytes of payload.
    pub(crate) most_bytes_before: u64,
}

impl Mixed {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<(Flow, Vec<Urgency>), Fault> {
        if place.target.is_raw() {
            return Err(Fault::Argument(
                "priorities need a server that has them".into(),
            ));
        }
        raise_open_files(self.connections)?;
        let mut fleet = Fleet::new(&place.target)?;
        fleet.read_slowly(self.read_rate);
        fleet.open(self.connections, PATIENCE)?;
        ask_each(&mut fleet, |who, frame, answer| {
            let room = format!("bench-{who:06}");
            frames::client(frame, MessageType::Text, &[b"join:", room.as_bytes()]);
            answer.extend_from_slice(b"joined:");
            answer.extend_from_slice(room.as_bytes());
        })?;
        let mut mix = Mix::new(self);
        let shape = Shape {
            name: "mixed",
            connections: self.connections,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        let flow = sustain(&mut fleet, &mut mix, place, timing, shape)?;
        let urgencies = mix
            .of_kind
            .iter()
            .zip(KINDS)
            .map(|(kind, (priority, what, _))| Urgency {
                priority,
                what,
                messages: kind.count,
                latency_micros: kind.latencies.summary(),
                most_bytes_before: kind.most_bytes_before,
            });
        Ok((flow, urgencies.collect()))
    }
}

/// What comes back: its priority, what it answers, how it begins. In the order
/// in which it is told.
const KINDS: [(u8, &str, &[u8]); 5] = [
    (5, "answer to a task", b"processed_by_"),
    (10, "message to a room", b"urgent"),
    (20, "news of a task", b"room_broadcast:"),
    (50, "answer to a join", b"joined:"),
    (100, "echo, bulky", b"echo:"),
];
const TASK: usize = 0;
const URGENT: usize = 1;
const NEWS: usize = 2;
const JOIN: usize = 3;
const BULK: usize = 4;

struct Mix {
    bulk: Vec<u8>,
    bulk_answer: Vec<u8>,
    in_flight: usize,
    peers: Vec<Peer>,
    out: Vec<u8>,
    of_kind: [OfKind; KINDS.len()],
    tally: Tally,
}

#[derive(Default)]
struct OfKind {
    count: u64,
    most_bytes_before: u64,
    latencies: Latencies,
}

/// One connection.
#[derive(Clone, Default)]
struct Peer {
    /// The message under way: how it begins, and its length.
    head: Vec<u8>,
    len: usize,
    /// Bytes of payload that have come.
    heard: u64,
    /// When what is still to come was asked for, and what had been heard by then; by
    /// kind and in order.
    sent: [VecDeque<(Instant, u64)>; KINDS.len()],
}

impl Mix {
    fn new(mixed: &Mixed) -> Self {
        let payload = frames::payload(MessageType::Text, mixed.bytes);
        let mut bulk = Vec::new();
        frames::client(&mut bulk, MessageType::Text, &[&payload]);
        Self {
            bulk,
            bulk_answer: [b"echo:", payload.as_slice()].concat(),
            in_flight: mixed.in_flight,
            peers: vec![Peer::default(); mixed.connections],
            out: Vec::new(),
            of_kind: Default::default(),
            tally: Tally::default(),
        }
    }

    /// Asks for one more of a kind.
    fn request(&mut self, who: usize, kind: usize, now: Instant) {
        let peer = &mut self.peers[who];
        let (out, sent, asked) = (&mut self.out, &mut peer.sent, (now, peer.heard));
        match kind {
            TASK => {
                frames::client(out, MessageType::Text, &[b"task:job"]);
                sent[NEWS].push_back(asked);
            }
            URGENT => frames::client(out, MessageType::Text, &[b"msg:urgent"]),
            JOIN => {
                let room = format!("join:bench-{who:06}");
                frames::client(out, MessageType::Text, &[room.as_bytes()]);
            }
            BULK => out.extend_from_slice(&self.bulk),
            // Comes with the answer to a task.
            _ => return,
        }
        sent[kind].push_back(asked);
    }
}

impl Traffic for Mix {
    fn begin(&mut self, links: &mut Links<'_>, now: Instant) -> Result<(), Fault> {
        for who in 0..self.peers.len() {
            (0..self.in_flight).for_each(|_| self.request(who, BULK, now));
            for kind in [TASK, URGENT, JOIN] {
                self.request(who, kind, now);
            }
            links.send(who, &self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn payload(&mut self, who: usize, part: &[u8], _: Instant) -> Result<(), Fault> {
        let peer = &mut self.peers[who];
        let more = HEAD.saturating_sub(peer.head.len()).min(part.len());
        peer.head.extend_from_slice(&part[..more]);
        peer.len += part.len();
        peer.heard += part.len() as u64;
        Ok(())
    }

    fn end(&mut self, who: usize, now: Instant) -> Result<(), Fault> {
        let peer = &mut self.peers[who];
        let kind = KINDS
            .iter()
            .position(|(_, _, begin)| peer.head.starts_with(begin));
        let since = kind.and_then(|kind| peer.sent[kind].pop_front());
        let (Some(kind), Some((since, heard))) = (kind, since) else {
            let head = String::from_utf8_lossy(&peer.head).into_owned();
            return Err(Fault::wrong(who, format!("{head:?} was not asked for")));
        };
        if kind == BULK {
            let same =
                peer.len == self.bulk_answer.len() && self.bulk_answer.starts_with(&peer.head);
            if !same {
                return Err(Fault::wrong(who, "an echo of something else"));
            }
        }
        let before = peer.heard - heard - peer.len as u64;
        peer.head.clear();
        peer.len = 0;
        let latency = now - since;
        let of_kind = &mut self.of_kind[kind];
        of_kind.latencies.record(latency);
        of_kind.count += 1;
        of_kind.most_bytes_before = of_kind.most_bytes_before.max(before);
        self.tally.record(latency, kind == BULK);
        // A task has two answers, and is over with the second, whichever that is.
        let sent = &peer.sent;
        match kind {
            TASK | NEWS if sent[TASK].is_empty() && sent[NEWS].is_empty() => {
                self.request(who, TASK, now);
            }
            TASK | NEWS => {}
            other => self.request(who, other, now),
        }
        Ok(())
    }

    fn after_read(&mut self, _: usize, link: &mut Link, _: Instant) -> Result<(), Fault> {
        if !self.out.is_empty() {
            link.send(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }
}

impl Counted for Mix {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn reset(&mut self) {
        self.tally = Tally::default();
        self.of_kind = Default::default();
    }
}

/// Bytes of a message that are looked at.
const HEAD: usize = 64;
