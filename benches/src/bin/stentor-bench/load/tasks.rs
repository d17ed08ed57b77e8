//! Owns the handing out of work: every connection has so many tasks under way, and
//! asks for another when it has the outcome of one. It speaks Stentor's room protocol.

use std::time::Instant;

use clap::Args;
use stentor_core::MessageType;

use super::Place;
use super::sustain::{Counted, Flow, PATIENCE, Shape, Tally, Timing, sustain};
use crate::fault::Fault;
use crate::frames;
use crate::net::{Fleet, Link, Links, Traffic, raise_open_files};

/// Every message is a task for a worker, whose outcome comes back
#[derive(Clone, Debug, Args)]
pub(crate) struct Tasks {
    /// Connections
    #[arg(short, long, default_value_t = 64, value_parser = super::at_least_one)]
    pub(crate) connections: usize,
    /// Tasks under way on each
    #[arg(short = 'd', long, default_value_t = 16, value_parser = super::at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a task
    #[arg(short = 's', long, default_value_t = 128, value_parser = super::at_least_one)]
    pub(crate) bytes: usize,
}

impl Tasks {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<Flow, Fault> {
        raise_open_files(self.connections)?;
        let mut fleet = Fleet::new(&place.target)?;
        fleet.open(self.connections, PATIENCE)?;
        let shape = Shape {
            name: "tasks",
            connections: self.connections,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        sustain(&mut fleet, &mut Asking::new(self), place, timing, shape)
    }
}

struct Asking {
    payload: Vec<u8>,
    /// As many frames side by side as may be under way.
    block: Vec<u8>,
    in_flight: usize,
    askers: Vec<Asker>,
    /// Outcomes that came in the read under way.
    back: usize,
    tally: Tally,
}

#[derive(Clone)]
struct Asker {
    /// What has come of the outcome that is coming.
    outcome: Vec<u8>,
    /// Outcomes that have come.
    done: usize,
    /// When the tasks under way were sent, by number.
    sent: Vec<Instant>,
}

impl Asking {
    fn new(tasks: &Tasks) -> Self {
        let payload = frames::payload(MessageType::Text, tasks.bytes);
        let mut one = Vec::new();
        frames::client(&mut one, MessageType::Text, &[b"task:", &payload]);
        let asker = Asker {
            outcome: Vec::new(),
            done: 0,
            sent: vec![Instant::now(); tasks.in_flight],
        };
        Self {
            payload,
            block: one.repeat(tasks.in_flight),
            in_flight: tasks.in_flight,
            askers: vec![asker; tasks.connections],
            back: 0,
            tally: Tally::default(),
        }
    }

    fn frames(&self, count: usize) -> &[u8] {
        &self.block[..self.block.len() / self.in_flight * count]
    }
}

impl Traffic for Asking {
    fn begin(&mut self, links: &mut Links<'_>, now: Instant) -> Result<(), Fault> {
        for (who, asker) in self.askers.iter_mut().enumerate() {
            asker.sent.fill(now);
            links.send(who, &self.block)?;
        }
        Ok(())
    }

    fn payload(&mut self, who: usize, part: &[u8], _: Instant) -> Result<(), Fault> {
        self.askers[who].outcome.extend_from_slice(part);
        Ok(())
    }

    fn end(&mut self, who: usize, now: Instant) -> Result<(), Fault> {
        let asker = &mut self.askers[who];
        if !is_outcome(&asker.outcome, &self.payload) {
            let is = String::from_utf8_lossy(&asker.outcome);
            return Err(Fault::wrong(who, format!("{is:?} instead of an outcome")));
        }
        asker.outcome.clear();
        let latency = now - asker.sent[asker.done % self.in_flight];
        self.tally.record(latency, true);
        asker.done += 1;
        self.back += 1;
        Ok(())
    }

    fn after_read(&mut self, who: usize, link: &mut Link, now: Instant) -> Result<(), Fault> {
        let count = std::mem::take(&mut self.back);
        let asker = &mut self.askers[who];
        for number in asker.done - count..asker.done {
            asker.sent[number % self.in_flight] = now;
        }
        // One read may bring more than were under way when it began.
        let (whole, rest) = (count / self.in_flight, count % self.in_flight);
        (0..whole).try_for_each(|_| link.send(&self.block))?;
        link.send(self.frames(rest))
    }
}

impl Counted for Asking {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

/// Whether it says that some worker has done this.
fn is_outcome(outcome: &[u8], task: &[u8]) -> bool {
    let rest = outcome.strip_prefix(b"processed_by_").unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest[digits..].strip_prefix(b":") == Some(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_names_a_worker_and_the_task() {
        assert!(is_outcome(b"processed_by_0:x", b"x"));
        assert!(is_outcome(b"processed_by_17::x", b":x"));
        for other in [
            &b"processed_by_:x"[..],
            b"processed_by_0:y",
            b"processed_by_0",
            b"x",
            b"",
        ] {
            assert!(!is_outcome(other, b"x"));
        }
    }
}
