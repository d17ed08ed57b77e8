//! Load `mixed`: every connection has many bulky messages in flight, and one of each more urgent
//! kind. Latency is reported by priority.
//!
//! Priorities have an effect only if messages wait in the server. The connections therefore read
//! slowly, and have more in flight than the kernel buffers for a socket, about 3 MB on loopback. An
//! urgent message still waits for what the kernel has buffered.

use std::collections::VecDeque;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, Timing, at_least_one};
use super::request::request_each;
use super::timed_run::{LoadShape, MeasuredTraffic, MessageCounts, TrafficResult, run_timed};
use crate::error::Error;
use crate::measure::{Latency, LatencyHistogram};
use crate::net::{ClientConnection, Clients, Connections, Traffic};
use stentor_benches::messages;

/// Messages of every priority, and the latency of each priority
#[derive(Clone, Debug, Args)]
pub(crate) struct Mixed {
    /// Connections, each in a room of its own
    #[arg(short, long, default_value_t = 4, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Bulky messages in flight on each
    #[arg(short = 'd', long, default_value_t = 80, value_parser = at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a bulky message
    #[arg(short = 's', long, default_value_t = 64 << 10, value_parser = at_least_one)]
    pub(crate) bytes: usize,
    /// Bytes per second that each connection reads
    #[arg(long, default_value_t = 16 << 20, value_parser = at_least_one)]
    pub(crate) read_rate: usize,
}

/// The messages of one priority.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PriorityResult {
    pub(crate) priority: u8,
    pub(crate) what: &'static str,
    pub(crate) messages: u64,
    pub(crate) latency_micros: Option<Latency>,
    /// The maximum payload that the connection received between a request and its answer, in bytes:
    /// what was sent before the answer.
    pub(crate) most_bytes_before: u64,
}

impl Mixed {
    pub(crate) fn run(
        &self,
        target: &LoadTarget,
        timing: Timing,
    ) -> Result<(TrafficResult, Vec<PriorityResult>), Error> {
        if target.endpoint.is_raw() {
            return Err(Error::InvalidArgument(
                "the load mixed needs a server with priorities".into(),
            ));
        }
        let mut clients = Clients::new(&target.endpoint)?;
        clients.limit_read_rate(self.read_rate);
        clients.open(self.connections)?;
        request_each(&mut clients, |index, frame, answer| {
            let room = format!("bench-{index:06}");
            messages::client_frame(frame, MessageType::Text, &[b"join:", room.as_bytes()]);
            answer.extend_from_slice(b"joined:");
            answer.extend_from_slice(room.as_bytes());
        })?;
        let mut mixed = MixedTraffic::new(self);
        let shape = LoadShape {
            name: "mixed",
            connections: self.connections,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        let traffic = run_timed(&mut clients, &mut mixed, target, timing, shape)?;
        let by_priority = mixed
            .stats
            .iter()
            .zip(KINDS)
            .map(|(kind, (priority, what, _))| PriorityResult {
                priority,
                what,
                messages: kind.count,
                latency_micros: kind.latencies.summary(),
                most_bytes_before: kind.most_bytes_before,
            });
        Ok((traffic, by_priority.collect()))
    }
}

/// The kinds of messages: priority, description, and beginning. The order is that of the report.
const KINDS: [(u8, &str, &[u8]); 5] = [
    (5, "answer to a task", b"processed_by_"),
    (10, "message to a room", b"urgent"),
    (20, "broadcast of a task", b"room_broadcast:"),
    (50, "answer to a join", b"joined:"),
    (100, "echo, bulky", b"echo:"),
];
const TASK: usize = 0;
const URGENT: usize = 1;
const TASK_BROADCAST: usize = 2;
const JOIN: usize = 3;
const BULK: usize = 4;

struct MixedTraffic {
    bulk: Vec<u8>,
    bulk_answer: Vec<u8>,
    in_flight: usize,
    peers: Vec<MixedPeer>,
    out: Vec<u8>,
    stats: [KindStats; KINDS.len()],
    counts: MessageCounts,
}

#[derive(Default)]
struct KindStats {
    count: u64,
    most_bytes_before: u64,
    latencies: LatencyHistogram,
}

/// One connection.
#[derive(Clone, Default)]
struct MixedPeer {
    /// The beginning and the length of the current message.
    head: Vec<u8>,
    len: usize,
    /// Bytes of payload received.
    received: u64,
    /// For each expected message, by kind and in order: when it was requested, and the bytes
    /// received by then.
    sent: [VecDeque<(Instant, u64)>; KINDS.len()],
}

impl MixedTraffic {
    fn new(mixed: &Mixed) -> Self {
        let payload = messages::payload(MessageType::Text, mixed.bytes);
        let mut bulk = Vec::new();
        messages::client_frame(&mut bulk, MessageType::Text, &[&payload]);
        Self {
            bulk,
            bulk_answer: [b"echo:", payload.as_slice()].concat(),
            in_flight: mixed.in_flight,
            peers: vec![MixedPeer::default(); mixed.connections],
            out: Vec::new(),
            stats: Default::default(),
            counts: MessageCounts::default(),
        }
    }

    /// Requests another message of a kind.
    fn request(&mut self, index: usize, kind: usize, now: Instant) {
        let peer = &mut self.peers[index];
        let (out, sent, request) = (&mut self.out, &mut peer.sent, (now, peer.received));
        match kind {
            TASK => {
                messages::client_frame(out, MessageType::Text, &[b"task:job"]);
                sent[TASK_BROADCAST].push_back(request);
            }
            URGENT => messages::client_frame(out, MessageType::Text, &[b"msg:urgent"]),
            JOIN => {
                let room = format!("join:bench-{index:06}");
                messages::client_frame(out, MessageType::Text, &[room.as_bytes()]);
            }
            BULK => out.extend_from_slice(&self.bulk),
            // A task requests it.
            _ => return,
        }
        sent[kind].push_back(request);
    }
}

impl Traffic for MixedTraffic {
    fn on_start(&mut self, connections: &mut Connections<'_>, now: Instant) -> Result<(), Error> {
        for index in 0..self.peers.len() {
            (0..self.in_flight).for_each(|_| self.request(index, BULK, now));
            for kind in [TASK, URGENT, JOIN] {
                self.request(index, kind, now);
            }
            connections.send(index, &self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn on_payload(&mut self, index: usize, part: &[u8], _: Instant) -> Result<(), Error> {
        let peer = &mut self.peers[index];
        let more = HEAD.saturating_sub(peer.head.len()).min(part.len());
        peer.head.extend_from_slice(&part[..more]);
        peer.len += part.len();
        peer.received += part.len() as u64;
        Ok(())
    }

    fn on_message_end(&mut self, index: usize, now: Instant) -> Result<(), Error> {
        let peer = &mut self.peers[index];
        let kind = KINDS
            .iter()
            .position(|(_, _, begin)| peer.head.starts_with(begin));
        let since = kind.and_then(|kind| peer.sent[kind].pop_front());
        let (Some(kind), Some((since, received))) = (kind, since) else {
            let head = String::from_utf8_lossy(&peer.head).into_owned();
            return Err(Error::unexpected(
                index,
                format!("{head:?} was not requested"),
            ));
        };
        if kind == BULK {
            let same =
                peer.len == self.bulk_answer.len() && self.bulk_answer.starts_with(&peer.head);
            if !same {
                return Err(Error::unexpected(index, "an echo of other data"));
            }
        }
        let before = peer.received - received - peer.len as u64;
        peer.head.clear();
        peer.len = 0;
        let latency = now - since;
        let stats = &mut self.stats[kind];
        stats.latencies.record(latency);
        stats.count += 1;
        stats.most_bytes_before = stats.most_bytes_before.max(before);
        self.counts.record(latency, kind == BULK);
        // A task has two answers, and the next is sent after both.
        let sent = &peer.sent;
        match kind {
            TASK | TASK_BROADCAST if sent[TASK].is_empty() && sent[TASK_BROADCAST].is_empty() => {
                self.request(index, TASK, now);
            }
            TASK | TASK_BROADCAST => {}
            other => self.request(index, other, now),
        }
        Ok(())
    }

    fn after_read(
        &mut self,
        _: usize,
        connection: &mut ClientConnection,
        _: Instant,
    ) -> Result<(), Error> {
        if !self.out.is_empty() {
            connection.send(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }
}

impl MeasuredTraffic for MixedTraffic {
    fn counts(&mut self) -> &mut MessageCounts {
        &mut self.counts
    }

    fn reset(&mut self) {
        self.counts = MessageCounts::default();
        self.stats = Default::default();
    }
}

/// The length of the beginning that is compared.
const HEAD: usize = 64;
