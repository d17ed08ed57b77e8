//! Owns the echo: every connection has so many messages under way, and each that
//! comes back is sent again.

use std::time::Instant;

use clap::Args;
use stentor_core::MessageType;

use super::stream::Stream;
use super::sustain::{Counted, Flow, Shape, Tally, Timing, sustain};
use super::{Place, sustain::PATIENCE};
use crate::fault::Fault;
use crate::frames;
use crate::net::{Fleet, Link, Links, Traffic, raise_open_files};

/// Every message comes back to the connection that sent it
#[derive(Clone, Debug, Args)]
pub(crate) struct Echo {
    /// Connections
    #[arg(short, long, default_value_t = 64, value_parser = super::at_least_one)]
    pub(crate) connections: usize,
    /// Messages under way on each
    #[arg(short = 'd', long, default_value_t = 1, value_parser = super::at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a message
    #[arg(short = 's', long, default_value_t = 128, value_parser = super::at_least_one)]
    pub(crate) bytes: usize,
    /// Binary messages instead of text
    #[arg(long)]
    pub(crate) binary: bool,
    /// What the server puts in front; `echo:` with Stentor's own handler
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
}

impl Echo {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<Flow, Fault> {
        raise_open_files(self.connections)?;
        let mut fleet = Fleet::new(&place.target)?;
        fleet.open(self.connections, PATIENCE)?;
        let mut echoes = Echoes::new(self, place.target.is_raw());
        let shape = Shape {
            name: "echo",
            connections: self.connections,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        sustain(&mut fleet, &mut echoes, place, timing, shape)
    }
}

struct Echoes {
    /// What is to come back, again and again.
    expected: Vec<u8>,
    /// Frames side by side, to be sent many at a time.
    block: Vec<u8>,
    frame: usize,
    in_flight: usize,
    streams: Vec<Stream>,
    /// When the messages under way were sent, by connection and number.
    sent: Vec<Instant>,
    /// Messages that came back in the read under way.
    back: usize,
    tally: Tally,
}

impl Echoes {
    fn new(echo: &Echo, is_raw: bool) -> Self {
        let kind = if echo.binary {
            MessageType::Binary
        } else {
            MessageType::Text
        };
        let payload = frames::payload(kind, echo.bytes);
        let mut one = Vec::new();
        if is_raw {
            // It comes back as it was sent, so it has to be what servers send.
            frames::server(&mut one, kind, &payload);
        } else {
            frames::client(&mut one, kind, &[&payload]);
        }
        let copies = (BLOCK / one.len()).clamp(1, echo.in_flight);
        Self {
            expected: [echo.prefix.as_bytes(), &payload].concat(),
            block: one.repeat(copies),
            frame: one.len(),
            in_flight: echo.in_flight,
            streams: vec![Stream::default(); echo.connections],
            sent: vec![Instant::now(); echo.connections * echo.in_flight],
            back: 0,
            tally: Tally::default(),
        }
    }

    /// Sends so many, by blocks.
    fn send(
        &self,
        mut count: usize,
        mut send: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while count > 0 {
            let some = count.min(self.block.len() / self.frame);
            send(&self.block[..some * self.frame])?;
            count -= some;
        }
        Ok(())
    }
}

impl Traffic for Echoes {
    fn begin(&mut self, links: &mut Links<'_>, now: Instant) -> Result<(), Fault> {
        self.sent.fill(now);
        (0..self.streams.len())
            .try_for_each(|who| self.send(self.in_flight, |bytes| links.send(who, bytes)))
    }

    #[inline]
    fn payload(&mut self, who: usize, mut part: &[u8], now: Instant) -> Result<(), Fault> {
        let stream = &mut self.streams[who];
        while !part.is_empty() {
            let number = stream.done;
            let (at, taken, ends) = stream.take(&mut part, self.expected.len());
            let sampled = number.is_multiple_of(SAMPLE);
            if sampled && self.expected[at..at + taken.len()] != *taken {
                return Err(Fault::wrong(who, format!("message {number} is another")));
            }
            if ends {
                let slot = who * self.in_flight + (number % self.in_flight as u64) as usize;
                self.tally.record(now - self.sent[slot], sampled);
                self.back += 1;
            }
        }
        Ok(())
    }

    #[inline]
    fn after_read(&mut self, who: usize, link: &mut Link, now: Instant) -> Result<(), Fault> {
        let count = std::mem::take(&mut self.back);
        let next = self.streams[who].done;
        for number in next - count as u64..next {
            let slot = (number % self.in_flight as u64) as usize;
            self.sent[who * self.in_flight + slot] = now;
        }
        self.send(count, |bytes| link.send(bytes))
    }
}

impl Counted for Echoes {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

/// Of so many messages on a connection one is looked at, the first among them.
const SAMPLE: u64 = 61;
/// Bytes of frames that are kept ready.
const BLOCK: usize = 1 << 20;
