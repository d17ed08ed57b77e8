//! Load `laggards`: a room at a part of the server's maximum rate, without and with members that do
//! not read. Checks the server's metrics for messages that are unaccounted for.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, Timing, at_least_one};
use super::broadcast::{Broadcast, BroadcastSettings, join};
use super::timed_run::{LoadShape, TrafficResult, run_timed};
use super::unresponsive::{NonReader, SendOnly, StoppedProcess};
use crate::error::Error;
use crate::measure::MetricsPage;
use crate::net::{Clients, raise_open_files};

/// A room of which some members do not read, compared with the same room without them
#[derive(Clone, Debug, Args)]
pub(crate) struct Laggards {
    /// Members that read
    #[arg(short, long, default_value_t = 900, value_parser = at_least_one)]
    pub(crate) members: usize,
    /// Members that never read
    #[arg(long, default_value_t = 100)]
    pub(crate) stuck: usize,
    /// Adds a member whose process is stopped, one with its read side shut, and one that only sends
    #[arg(long)]
    pub(crate) misfits: bool,
    /// Bytes of a message
    #[arg(short = 's', long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) bytes: usize,
    /// Percent of the server's maximum rate
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) load: u8,
}

/// The result of the load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LaggardsResult {
    pub(crate) stuck: usize,
    /// The maximum number of messages to the room per second.
    pub(crate) maximum_rate: f64,
    /// Without members that do not read.
    pub(crate) without: TrafficResult,
    /// With members that do not read.
    pub(crate) with: TrafficResult,
    /// Messages that were skipped because too many were in flight, without and with these members.
    pub(crate) late: [u64; 2],
    /// The server's counters while these members were connected.
    pub(crate) counted: Counters,
    /// The exit status of the stopped process after it was resumed, if it exited.
    pub(crate) stopped_process_exit: Option<String>,
}

/// What the server counted.
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
    pub(crate) fn run(&self, target: &LoadTarget, timing: Timing) -> Result<LaggardsResult, Error> {
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
            let read_shut = NonReader::join(target)?;
            read_shut.shut_read()?;
            others = Some((read_shut, SendOnly::start(NonReader::join(target)?)?));
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

    /// Returns how many messages per second all members receive.
    fn measure_maximum_rate(&self, target: &LoadTarget) -> Result<f64, Error> {
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
            self.shape("maximum rate"),
        )?;
        broadcast.finish(&mut clients)?;
        Ok(traffic.messages_per_second / self.members as f64)
    }

    /// Broadcasts at this interval. Returns the result, the number of messages, and how many were
    /// skipped.
    fn broadcast_at(
        &self,
        target: &LoadTarget,
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
            self.shape("given rate"),
        )?;
        let late = broadcast.late;
        let published = broadcast.finish(&mut clients)?;
        Ok((traffic, published, late))
    }

    fn open_room(&self, target: &LoadTarget) -> Result<Clients, Error> {
        let mut clients = Clients::new(&target.endpoint)?;
        clients.open(self.members)?;
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

    /// Checks that every message that was offered is accounted for, and that all members that read
    /// were offered and received every message.
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

/// Messages in flight at the maximum rate.
const IN_FLIGHT: usize = 16;
/// Messages in flight at a given rate; further ones are skipped.
const MAX_IN_FLIGHT: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_do_not_add_up_are_an_error() {
        let right = Counters {
            published: 10,
            offered: 60,
            written: 52,
            refused: 3,
            lost: 4,
            waiting: 1,
        };
        assert!(right.check(5).is_ok());
        assert!(right.check(6).is_err(), "one member missed messages");
        let wrong = Counters { lost: 5, ..right };
        assert!(wrong.check(5).is_err());
    }
}
