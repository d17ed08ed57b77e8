//! Load `echo`: every connection has a number of messages in flight, and sends the next when one is
//! returned.

use std::time::Instant;

use clap::Args;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, Timing, at_least_one};
use super::message_counter::MessageCounter;
use super::timed_run::{LoadShape, MeasuredTraffic, MessageCounts, TrafficResult, run_timed};
use crate::error::Error;
use crate::net::{ClientConnection, Clients, Connections, Traffic};
use stentor_benches::messages;

/// Every connection sends messages, and the server returns them
#[derive(Clone, Debug, Args)]
pub(crate) struct EchoLoad {
    /// Connections
    #[arg(short, long, default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Messages in flight on each
    #[arg(short = 'd', long, default_value_t = 1, value_parser = at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a message
    #[arg(short = 's', long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) bytes: usize,
    /// Binary messages instead of text
    #[arg(long)]
    pub(crate) binary: bool,
    /// Prefix that the server adds; `echo:` with Stentor's default handler
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
}

impl EchoLoad {
    pub(crate) fn run(&self, target: &LoadTarget, timing: Timing) -> Result<TrafficResult, Error> {
        let mut clients = Clients::new(&target.endpoint)?;
        clients.open(self.connections)?;
        let mut traffic = EchoTraffic::new(self, target.endpoint.is_raw());
        let shape = LoadShape {
            name: "echo",
            connections: self.connections,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        run_timed(&mut clients, &mut traffic, target, timing, shape)
    }
}

struct EchoTraffic {
    /// The payload that has to be returned.
    expected: Vec<u8>,
    /// Repeated frames, so that several are sent in one write.
    block: Vec<u8>,
    frame: usize,
    in_flight: usize,
    counters: Vec<MessageCounter>,
    /// The send times of the messages in flight, by connection and message.
    sent: Vec<Instant>,
    /// Messages returned in the current read.
    returned: usize,
    counts: MessageCounts,
}

impl EchoTraffic {
    fn new(echo: &EchoLoad, is_raw: bool) -> Self {
        let kind = if echo.binary {
            MessageType::Binary
        } else {
            MessageType::Text
        };
        let payload = messages::payload(kind, echo.bytes);
        let mut one = Vec::new();
        if is_raw {
            // The bare loop returns the frame as it is, so it has to be a server's.
            messages::server_frame(&mut one, kind, &payload);
        } else {
            messages::client_frame(&mut one, kind, &[&payload]);
        }
        let copies = (BLOCK / one.len()).clamp(1, echo.in_flight);
        Self {
            expected: [echo.prefix.as_bytes(), &payload].concat(),
            block: one.repeat(copies),
            frame: one.len(),
            in_flight: echo.in_flight,
            counters: vec![MessageCounter::default(); echo.connections],
            sent: vec![Instant::now(); echo.connections * echo.in_flight],
            returned: 0,
            counts: MessageCounts::default(),
        }
    }

    /// Sends a number of frames, in blocks.
    fn send(
        &self,
        mut count: usize,
        mut send: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while count > 0 {
            let some = count.min(self.block.len() / self.frame);
            send(&self.block[..some * self.frame])?;
            count -= some;
        }
        Ok(())
    }
}

impl Traffic for EchoTraffic {
    fn on_start(&mut self, connections: &mut Connections<'_>, now: Instant) -> Result<(), Error> {
        self.sent.fill(now);
        (0..self.counters.len())
            .try_for_each(|index| self.send(self.in_flight, |bytes| connections.send(index, bytes)))
    }

    #[inline]
    fn on_payload(&mut self, index: usize, mut part: &[u8], now: Instant) -> Result<(), Error> {
        let counter = &mut self.counters[index];
        while !part.is_empty() {
            let number = counter.done;
            let (at, taken, ends) = counter.take(&mut part, self.expected.len());
            let sampled = number.is_multiple_of(SAMPLE);
            if sampled && self.expected[at..at + taken.len()] != *taken {
                return Err(Error::unexpected(
                    index,
                    format!("message {number} differs from the one that was sent"),
                ));
            }
            if ends {
                let slot = index * self.in_flight + (number % self.in_flight as u64) as usize;
                self.counts.record(now - self.sent[slot], sampled);
                self.returned += 1;
            }
        }
        Ok(())
    }

    #[inline]
    fn after_read(
        &mut self,
        index: usize,
        connection: &mut ClientConnection,
        now: Instant,
    ) -> Result<(), Error> {
        let count = std::mem::take(&mut self.returned);
        let next = self.counters[index].done;
        for number in next - count as u64..next {
            let slot = (number % self.in_flight as u64) as usize;
            self.sent[index * self.in_flight + slot] = now;
        }
        self.send(count, |bytes| connection.send(bytes))
    }
}

impl MeasuredTraffic for EchoTraffic {
    fn counts(&mut self) -> &mut MessageCounts {
        &mut self.counts
    }
}

/// One in this many messages of a connection is compared, the first included.
const SAMPLE: u64 = 61;
/// The maximum length of a block in bytes.
const BLOCK: usize = 1 << 20;
