//! Owns the time of a load: warming up, then a window that is measured, and what
//! came of it. A server that says nothing any more ends the run.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Place;
use crate::fault::Fault;
use crate::measure::{Gauge, Latencies, Latency, Page, Turns, Usage};
use crate::net::{Fleet, Traffic};
use crate::progress::Progress;

/// How long a load goes on.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Timing {
    /// Seconds that are measured
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Seconds before that
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub(crate) warm_up: f64,
}

/// What has come in a window, of a load that goes on and on.
pub(super) trait Counted: Traffic {
    /// What has come since the window began.
    fn tally(&mut self) -> &mut Tally;
    /// A window begins.
    fn reset(&mut self) {
        *self.tally() = Tally::default();
    }
    /// How long there may be nothing to do.
    fn pause(&self) -> Duration {
        POLL
    }
}

/// The messages that have come.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) messages: u64,
    /// How many of them were compared with what was to come, byte for byte.
    pub(super) verified: u64,
    /// How long they took.
    pub(super) latencies: Latencies,
}

impl Tally {
    #[inline]
    pub(super) fn record(&mut self, latency: Duration, verified: bool) {
        self.latencies.record(latency);
        self.messages += 1;
        self.verified += u64::from(verified);
    }
}

/// What came of a load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Flow {
    pub(crate) connections: usize,
    /// Messages under way: on each connection, or to the room.
    pub(crate) in_flight: usize,
    pub(crate) bytes: usize,
    /// Messages that came to the generator.
    pub(crate) messages: u64,
    pub(crate) messages_a_second: f64,
    /// CPU microseconds of the server for each.
    pub(crate) server_micros_each: Option<f64>,
    /// Of these, what it did not spend in the kernel.
    pub(crate) server_user_micros_each: Option<f64>,
    pub(crate) latency_micros: Option<Latency>,
    pub(crate) verified: u64,
    pub(crate) usage: Usage,
    pub(crate) generator_was_the_bottleneck: bool,
    pub(crate) server_memory_bytes: Option<u64>,
    pub(crate) server_threads: Option<u64>,
    /// How long the turns of the server's shards took.
    pub(crate) turns: Option<Turns>,
}

/// What a load is called, and how big it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    pub(super) name: &'a str,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) bytes: usize,
}

/// Keeps a load up for as long as told.
pub(super) fn sustain(
    fleet: &mut Fleet,
    traffic: &mut impl Counted,
    place: &Place,
    timing: Timing,
    shape: Shape<'_>,
) -> Result<Flow, Fault> {
    let mut progress = Progress::new(place.quiet);
    fleet.begin(traffic)?;
    let warm_up = Duration::from_secs_f64(timing.warm_up);
    run(fleet, traffic, warm_up, |_, _| {})?;
    let turns = || Turns::of(&Page::scrape(place.target.address)?);
    let turns_before = place.metrics.then(turns).transpose()?;
    let gauge = Gauge::new(place.server);
    traffic.reset();
    let begin = gauge.read()?;
    let window = Duration::from_secs_f64(timing.seconds);
    run(fleet, traffic, window, |messages, elapsed| {
        let name = shape.name;
        let rate = messages as f64 / elapsed.as_secs_f64();
        let of = timing.seconds;
        progress.say(|| {
            format!(
                "{name}: {:.0}/{of:.0} s, {rate:.0}/s",
                elapsed.as_secs_f64()
            )
        });
    })?;
    let usage = gauge.since(&begin)?;
    let Tally {
        messages,
        verified,
        latencies,
    } = std::mem::take(traffic.tally());
    progress.end();
    let turns = match turns_before {
        Some(before) => Some(turns()?.since(&before)),
        None => None,
    };
    let (server_memory_bytes, server_threads) = place.size()?;
    Ok(Flow {
        connections: shape.connections,
        in_flight: shape.in_flight,
        bytes: shape.bytes,
        messages,
        messages_a_second: messages as f64 / usage.seconds,
        server_micros_each: usage.server_micros_each(messages),
        server_user_micros_each: usage.server_user_micros_each(messages),
        latency_micros: latencies.summary(),
        verified,
        usage,
        generator_was_the_bottleneck: usage.generator_was_the_bottleneck(),
        server_memory_bytes,
        server_threads,
        turns,
    })
}

fn run<T: Counted>(
    fleet: &mut Fleet,
    traffic: &mut T,
    length: Duration,
    mut tell: impl FnMut(u64, Duration),
) -> Result<(), Fault> {
    let begin = Instant::now();
    let (mut heard, mut messages) = (begin, traffic.tally().messages);
    loop {
        fleet.turn(traffic, traffic.pause())?;
        let now = Instant::now();
        let so_far = traffic.tally().messages;
        if so_far != messages {
            (heard, messages) = (now, so_far);
        } else if now - heard > PATIENCE {
            return Err(Fault::Stalled(PATIENCE.as_secs()));
        }
        tell(messages, now - begin);
        if now - begin >= length {
            return Ok(());
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds, from 0 to 3600".into()),
    }
}

const POLL: Duration = Duration::from_millis(50);
/// How long a server may say nothing to those that wait for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
