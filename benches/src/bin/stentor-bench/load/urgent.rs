//! Load `urgent`: one connection requests an urgent answer at an interval, while other processes
//! load the server. The answer is the error for a join without a room name, which has the highest
//! priority.

use std::time::{Duration, Instant};

use clap::Args;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, Timing, at_least_one};
use super::broadcast::join;
use super::timed_run::{LoadShape, MeasuredTraffic, MessageCounts, TrafficResult, run_timed};
use crate::error::Error;
use crate::net::{Clients, Connections, Traffic};
use stentor_benches::messages;

/// Latency of an urgent answer, while another process loads the server
#[derive(Clone, Debug, Args)]
pub(crate) struct Urgent {
    /// Milliseconds between requests
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    pub(crate) every: usize,
    /// Joins the room of `fan-out`, and receives its messages too
    #[arg(long)]
    pub(crate) member: bool,
}

impl Urgent {
    pub(crate) fn run(&self, target: &LoadTarget, timing: Timing) -> Result<TrafficResult, Error> {
        let mut clients = Clients::new(&target.endpoint)?;
        clients.open(1)?;
        if self.member {
            join(&mut clients)?;
        }
        let mut probe = Probe::new(Duration::from_millis(self.every as u64));
        let shape = LoadShape {
            name: "urgent",
            connections: 1,
            in_flight: 1,
            bytes: ANSWER.len(),
        };
        run_timed(&mut clients, &mut probe, target, timing, shape)
    }
}

struct Probe {
    every: Duration,
    due: Instant,
    request: Vec<u8>,
    /// When the current request was sent.
    requested: Option<Instant>,
    /// The beginning of the current message.
    head: Vec<u8>,
    counts: MessageCounts,
}

impl Probe {
    fn new(every: Duration) -> Self {
        let mut request = Vec::new();
        messages::client_frame(&mut request, MessageType::Text, &[b"join:"]);
        Self {
            every,
            due: Instant::now(),
            request,
            requested: None,
            head: Vec::new(),
            counts: MessageCounts::default(),
        }
    }
}

impl Traffic for Probe {
    fn on_payload(&mut self, _: usize, part: &[u8], _: Instant) -> Result<(), Error> {
        let more = (ANSWER.len() + 1 - self.head.len().min(ANSWER.len() + 1)).min(part.len());
        self.head.extend_from_slice(&part[..more]);
        Ok(())
    }

    fn on_message_end(&mut self, index: usize, now: Instant) -> Result<(), Error> {
        let is_answer = self.head == ANSWER;
        self.head.clear();
        if is_answer {
            let requested = self.requested.take();
            let requested =
                requested.ok_or_else(|| Error::unexpected(index, "an answer without a request"))?;
            self.counts.record(now - requested, true);
        }
        Ok(())
    }

    fn after_poll(&mut self, connections: &mut Connections<'_>, now: Instant) -> Result<(), Error> {
        if self.requested.is_some() || now < self.due {
            return Ok(());
        }
        self.requested = Some(now);
        self.due = now + self.every;
        connections.send(0, &self.request)
    }
}

impl MeasuredTraffic for Probe {
    fn counts(&mut self) -> &mut MessageCounts {
        &mut self.counts
    }

    fn pause(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now()).max(TICK)
    }
}

/// The answer to a join without a room name.
const ANSWER: &[u8] = b"error:bad_room";
const TICK: Duration = Duration::from_micros(100);
