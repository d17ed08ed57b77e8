//! Timed run of a load: a warm-up, then the time window that is measured. The run fails if nothing
//! is received for too long.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::arguments::{LoadTarget, Timing};
use crate::error::Error;
use crate::measure::{CpuMeter, CpuUsage, Latency, LatencyHistogram, MetricsPage, TurnHistogram};
use crate::net::{Clients, Traffic};
use crate::progress::Progress;
use crate::watchdog::Watchdog;

/// Traffic with counters for the time window.
pub(super) trait MeasuredTraffic: Traffic {
    /// Returns the counters of the current time window.
    fn counts(&mut self) -> &mut MessageCounts;
    /// Starts a time window.
    fn reset(&mut self) {
        *self.counts() = MessageCounts::default();
    }
    /// Returns how long to wait for events.
    fn pause(&self) -> Duration {
        POLL_INTERVAL
    }
}

/// Counters of received messages.
#[derive(Default)]
pub(super) struct MessageCounts {
    pub(super) messages: u64,
    /// Messages that were compared byte by byte with what was expected.
    pub(super) verified: u64,
    /// The latencies of all messages.
    pub(super) latencies: LatencyHistogram,
}

impl MessageCounts {
    #[inline]
    pub(super) fn record(&mut self, latency: Duration, verified: bool) {
        self.latencies.record(latency);
        self.messages += 1;
        self.verified += u64::from(verified);
    }
}

/// The result of a load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrafficResult {
    pub(crate) connections: usize,
    /// Messages in flight: on each connection, or to the room.
    pub(crate) in_flight: usize,
    pub(crate) bytes: usize,
    /// Messages that the generator received.
    pub(crate) messages: u64,
    pub(crate) messages_per_second: f64,
    /// CPU microseconds of the server per message.
    pub(crate) server_micros_each: Option<f64>,
    /// The part of them in user mode.
    pub(crate) server_user_micros_each: Option<f64>,
    pub(crate) latency_micros: Option<Latency>,
    pub(crate) verified: u64,
    pub(crate) usage: CpuUsage,
    pub(crate) generator_was_the_bottleneck: bool,
    pub(crate) server_memory_bytes: Option<u64>,
    pub(crate) server_threads: Option<u64>,
    /// How long the turns of the server's shards took.
    pub(crate) turns: Option<TurnHistogram>,
}

/// The name and the size of a load.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadShape<'a> {
    pub(super) name: &'a str,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) bytes: usize,
}

/// Runs a load for the given time, and measures it.
pub(super) fn run_timed(
    clients: &mut Clients,
    traffic: &mut impl MeasuredTraffic,
    target: &LoadTarget,
    timing: Timing,
    shape: LoadShape<'_>,
) -> Result<TrafficResult, Error> {
    let mut progress = Progress::new(target.quiet);
    clients.start(traffic)?;
    let warm_up = Duration::from_secs_f64(timing.warm_up);
    run(clients, traffic, warm_up, |_, _| {})?;
    let turns = || TurnHistogram::of(&MetricsPage::scrape(target.endpoint.address)?);
    let turns_before = target.metrics.then(turns).transpose()?;
    let meter = CpuMeter::new(target.server);
    traffic.reset();
    let begin = meter.read()?;
    let window = Duration::from_secs_f64(timing.seconds);
    run(clients, traffic, window, |messages, elapsed| {
        let name = shape.name;
        let rate = messages as f64 / elapsed.as_secs_f64();
        let of = timing.seconds;
        progress.update(|| {
            format!(
                "{name}: {:.0}/{of:.0} s, {rate:.0}/s",
                elapsed.as_secs_f64()
            )
        });
    })?;
    let usage = meter.since(&begin)?;
    let MessageCounts {
        messages,
        verified,
        latencies,
    } = std::mem::take(traffic.counts());
    progress.end();
    let turns = match turns_before {
        Some(before) => Some(turns()?.since(&before)),
        None => None,
    };
    let (server_memory_bytes, server_threads) = target.memory_and_threads()?;
    Ok(TrafficResult {
        connections: shape.connections,
        in_flight: shape.in_flight,
        bytes: shape.bytes,
        messages,
        messages_per_second: messages as f64 / usage.seconds,
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

fn run<T: MeasuredTraffic>(
    clients: &mut Clients,
    traffic: &mut T,
    length: Duration,
    mut on_progress: impl FnMut(u64, Duration),
) -> Result<(), Error> {
    let begin = Instant::now();
    let mut watchdog = Watchdog::new(traffic.counts().messages);
    loop {
        clients.poll_once(traffic, traffic.pause())?;
        let messages = traffic.counts().messages;
        watchdog.check(messages)?;
        let elapsed = begin.elapsed();
        on_progress(messages, elapsed);
        if elapsed >= length {
            return Ok(());
        }
    }
}

const POLL_INTERVAL: Duration = Duration::from_millis(50);
