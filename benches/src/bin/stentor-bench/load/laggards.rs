//! Owns the proof that members who do not read hurt nobody but themselves: a room
//! is told things at a part of the rate that the server can keep up, first without
//! such members, then with them. It speaks Stentor's room protocol, and asks its
//! metrics what became of everything.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use stentor_core::MessageType;

use super::arguments::{Target, Timing, at_least_one};
use super::broadcast::{Broadcast, BroadcastSettings, join};
use super::timed_run::{LoadShape, TIMEOUT, TrafficResult, run_timed};
use super::unresponsive::{NonReader, SendOnly, StoppedProcess};
use crate::error::Error;
use crate::measure::MetricsPage;
use crate::net::{Clients, raise_open_files};

/// A room of which some members do not read, beside the same room without them
#[derive(Clone, Debug, Args)]
pub(crate) struct Laggards {
    /// Members who read
    #[arg(short, long, default_value_t = 900, value_parser = at_least_one)]
    pub(crate) members: usize,
    /// Members who never read
    #[arg(long, default_value_t = 100)]
    pub(crate) stuck: usize,
    /// Adds one whose process is stopped, one that has shut its read side, and one
    /// that sends and never reads
    #[arg(long)]
    pub(crate) misfits: bool,
    /// Bytes of a message
    #[arg(short = 's', long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) bytes: usize,
    /// Percent of the rate that the server can keep up
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) load: u8,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LaggardsResult {
    pub(crate) stuck: usize,
    /// Messages to the room each second, as many as the server can keep up.
    pub(crate) maximum_rate: f64,
    /// Without those who do not read.
    pub(crate) without: TrafficResult,
    /// With them.
    pub(crate) with: TrafficResult,
    /// Messages that could not be said when they were due, without and with them.
    pub(crate) late: [u64; 2],
    /// What the server counted while they were there.
    pub(crate) counted: Counters,
    /// How the process that was stopped ended once it went on, if it did.
    pub(crate) stopped_process_exit: Option<String>,
}

/// What the server says became of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Counters {
    pub(crate) published: u64,
    pub(crate) offered: u64,
    pub(crate) written: u64,
    pub(crate) refused: u64,
    pub(crate) lost: u64,
    pub(crate) waiting: u64,
}

impl Laggards {
    pub(crate) fn run(&self, target: &Target, timing: Timing) -> Result<LaggardsResult, Error> {
        raise_open_files(self.members + self.stuck)?;
        let maximum_rate = self.measure_maximum_rate(target)?;
        let interval = Duration::from_secs_f64(100.0 / (maximum_rate * f64::from(self.load)));
        let (without, _, late_without) = self.broadcast_at(target, timing, interval)?;

        let before = MetricsPage::scrape(target.endpoint.address)?;
        let stuck = (0..self.stuck).map(|_| NonReader::join(target));
        let _stuck = stuck.collect::<Result<Vec<_>, Error>>()?;
        let mut stopped = None;
        let mut others = None;
        if self.misfits {
            stopped = Some(StoppedProcess::join(&target.url)?);
            let half = NonReader::join(target)?;
            half.shut_read()?;
            others = Some((half, SendOnly::start(NonReader::join(target)?)?));
        }
        let (with, published, late_with) = self.broadcast_at(target, timing, interval)?;
        let stopped_process_exit = match &mut stopped {
            Some(stopped) => stopped.resume()?,
            None => None,
        };
        drop(others);
        let after = MetricsPage::scrape(target.endpoint.address)?;
        let counted = Counters::between(&before, &after, published);
        counted.check(self.members as u64)?;
        Ok(LaggardsResult {
            stuck: self.stuck,
            maximum_rate,
            without,
            with,
            late: [late_without, late_with],
            counted,
            stopped_process_exit,
        })
    }

    /// How many messages a second come to all members who read.
    fn measure_maximum_rate(&self, target: &Target) -> Result<f64, Error> {
        let mut clients = self.open_room(target)?;
        let mut broadcast = self.broadcast(None);
        let timing = Timing {
            seconds: 3.0,
            warm_up: 1.0,
        };
        let traffic = run_timed(
            &mut clients,
            &mut broadcast,
            target,
            timing,
            self.shape("as fast as it goes"),
        )?;
        broadcast.finish(&mut clients)?;
        Ok(traffic.messages_per_second / self.members as f64)
    }

    /// Tells the room things at this pace: what came of it, how many things, and
    /// how many of them were late.
    fn broadcast_at(
        &self,
        target: &Target,
        timing: Timing,
        interval: Duration,
    ) -> Result<(TrafficResult, u64, u64), Error> {
        let mut clients = self.open_room(target)?;
        let mut broadcast = self.broadcast(Some(interval));
        let traffic = run_timed(
            &mut clients,
            &mut broadcast,
            target,
            timing,
            self.shape("at a pace"),
        )?;
        let late = broadcast.late;
        let published = broadcast.finish(&mut clients)?;
        Ok((traffic, published, late))
    }

    fn open_room(&self, target: &Target) -> Result<Clients, Error> {
        let mut clients = Clients::new(&target.endpoint)?;
        clients.open(self.members, TIMEOUT)?;
        join(&mut clients)?;
        Ok(clients)
    }

    fn broadcast(&self, interval: Option<Duration>) -> Broadcast {
        Broadcast::new(BroadcastSettings {
            members: self.members,
            in_flight: if interval.is_some() {
                MAX_IN_FLIGHT
            } else {
                IN_FLIGHT
            },
            bytes: self.bytes,
            kind: MessageType::Text,
            interval,
            acknowledged: false,
            is_raw: false,
        })
    }

    const fn shape<'a>(&self, name: &'a str) -> LoadShape<'a> {
        LoadShape {
            name,
            connections: self.members,
            in_flight: IN_FLIGHT,
            bytes: self.bytes,
        }
    }
}

impl Counters {
    fn between(before: &MetricsPage, after: &MetricsPage, published: u64) -> Self {
        let more = |name: &str| after.sum(name).saturating_sub(before.sum(name));
        let dropped = |why| {
            more(&format!(
                "stentor_messages_dropped_total{{reason=\"{why}\"}}"
            ))
        };
        let refused = dropped("refused_full") + dropped("refused_closing");
        Self {
            published,
            offered: more("stentor_messages_offered_total"),
            written: more("ws_messages_sent_total"),
            refused,
            lost: more("stentor_messages_dropped_total") - refused,
            waiting: more("ws_send_queue_length"),
        }
    }

    /// Whether it adds up: everything offered has become something, and those who
    /// read, so many, were offered and got everything.
    fn check(&self, readers: u64) -> Result<(), Error> {
        let Self {
            published,
            offered,
            written,
            refused,
            lost,
            waiting,
        } = *self;
        let received = published * readers;
        if offered == refused + written + lost + waiting
            && offered >= received
            && written >= received
        {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "the server's counters do not add up: {self:?}, with {readers} readers"
        )))
    }
}

/// Messages that may be on their way while the server is driven as fast as it goes.
const IN_FLIGHT: usize = 16;
/// Messages that may be on their way at a pace before one counts as late.
const MAX_IN_FLIGHT: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_add_up_is_told() {
        let right = Counters {
            published: 10,
            offered: 60,
            written: 52,
            refused: 3,
            lost: 4,
            waiting: 1,
        };
        assert!(right.check(5).is_ok());
        assert!(right.check(6).is_err(), "one of them missed something");
        let wrong = Counters { lost: 5, ..right };
        assert!(wrong.check(5).is_err());
    }
}
