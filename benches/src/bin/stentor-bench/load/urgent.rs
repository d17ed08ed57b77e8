//! Owns a probe: one connection that asks for something urgent every so often,
//! and how long that takes, while others put the server under load. It speaks
//! Stentor's room protocol, where the refusal of a room's name is the most urgent.

use std::time::{Duration, Instant};

use clap::Args;
use stentor_core::MessageType;

use super::Place;
use super::crowd::join;
use super::sustain::{Counted, Flow, PATIENCE, Shape, Tally, Timing, sustain};
use crate::fault::Fault;
use crate::frames;
use crate::net::{Fleet, Links, Traffic};

/// How long something urgent takes, while others load the server
#[derive(Clone, Debug, Args)]
pub(crate) struct Urgent {
    /// Milliseconds from one to the next
    #[arg(long, default_value_t = 5, value_parser = super::at_least_one)]
    pub(crate) every: usize,
    /// Is a member of the room of `fan-out`, whose messages are in the way
    #[arg(long)]
    pub(crate) member: bool,
}

impl Urgent {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<Flow, Fault> {
        let mut fleet = Fleet::new(&place.target)?;
        fleet.open(1, PATIENCE)?;
        if self.member {
            join(&mut fleet)?;
        }
        let mut probe = Probe::new(Duration::from_millis(self.every as u64));
        let shape = Shape {
            name: "urgent",
            connections: 1,
            in_flight: 1,
            bytes: ANSWER.len(),
        };
        sustain(&mut fleet, &mut probe, place, timing, shape)
    }
}

struct Probe {
    every: Duration,
    due: Instant,
    question: Vec<u8>,
    /// When what is under way was asked for.
    asked: Option<Instant>,
    /// The message that is coming, as much of it as tells what it is.
    head: Vec<u8>,
    tally: Tally,
}

impl Probe {
    fn new(every: Duration) -> Self {
        let mut question = Vec::new();
        frames::client(&mut question, MessageType::Text, &[b"join:"]);
        Self {
            every,
            due: Instant::now(),
            question,
            asked: None,
            head: Vec::new(),
            tally: Tally::default(),
        }
    }
}

impl Traffic for Probe {
    fn payload(&mut self, _: usize, part: &[u8], _: Instant) -> Result<(), Fault> {
        let more = (ANSWER.len() + 1 - self.head.len().min(ANSWER.len() + 1)).min(part.len());
        self.head.extend_from_slice(&part[..more]);
        Ok(())
    }

    fn end(&mut self, who: usize, now: Instant) -> Result<(), Fault> {
        let is_answer = self.head == ANSWER;
        self.head.clear();
        if is_answer {
            let asked = self.asked.take();
            let asked = asked.ok_or_else(|| Fault::wrong(who, "an answer to nothing"))?;
            self.tally.record(now - asked, true);
        }
        Ok(())
    }

    fn after_turn(&mut self, links: &mut Links<'_>, now: Instant) -> Result<(), Fault> {
        if self.asked.is_some() || now < self.due {
            return Ok(());
        }
        self.asked = Some(now);
        self.due = now + self.every;
        links.send(0, &self.question)
    }
}

impl Counted for Probe {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn pause(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now()).max(TICK)
    }
}

/// What a nameless room is answered with.
const ANSWER: &[u8] = b"error:bad_room";
const TICK: Duration = Duration::from_micros(100);
