//! Load `connect`: connections that are opened, and aborted when the handshake is done.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::arguments::{LoadTarget, Timing, at_least_one};
use crate::error::Error;
use crate::measure::{CpuMeter, CpuUsage, Latency, LatencyHistogram};
use crate::net::{Clients, raise_open_files};
use crate::progress::Progress;
use crate::watchdog::Watchdog;

/// New connections per second; each is aborted when it is open
#[derive(Clone, Debug, Args)]
pub(crate) struct Connect {
    /// Handshakes in progress at the same time
    #[arg(short, long, default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connections: usize,
}

/// The result of the load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConnectResult {
    pub(crate) at_once: usize,
    pub(crate) connections: u64,
    pub(crate) connections_per_second: f64,
    /// CPU microseconds of the server per connection, closing included.
    pub(crate) server_micros_each: Option<f64>,
    /// From the first packet to the end of the handshake.
    pub(crate) latency_micros: Option<Latency>,
    pub(crate) usage: CpuUsage,
    pub(crate) generator_was_the_bottleneck: bool,
}

impl Connect {
    pub(crate) fn run(&self, target: &LoadTarget, timing: Timing) -> Result<ConnectResult, Error> {
        if target.endpoint.is_raw() {
            let what = "the load connect needs a WebSocket server: the system opens a raw connection \
                        without it";
            return Err(Error::InvalidArgument(what.into()));
        }
        raise_open_files(self.connections)?;
        let mut connect_loop = ConnectLoop {
            clients: Clients::new(&target.endpoint)?,
            started: vec![Instant::now(); self.connections],
            opened: Vec::new(),
            latencies: LatencyHistogram::default(),
            count: 0,
        };
        for slot in 0..self.connections {
            connect_loop.connect(slot)?;
        }
        let mut progress = Progress::new(target.quiet);
        connect_loop.run(Duration::from_secs_f64(timing.warm_up), |_| {})?;
        connect_loop.latencies = LatencyHistogram::default();
        connect_loop.count = 0;
        let meter = CpuMeter::new(target.server);
        let begin = meter.read()?;
        connect_loop.run(Duration::from_secs_f64(timing.seconds), |count| {
            progress.update(|| format!("connect: {count} connections"));
        })?;
        let usage = meter.since(&begin)?;
        progress.end();
        Ok(ConnectResult {
            at_once: self.connections,
            connections: connect_loop.count,
            connections_per_second: connect_loop.count as f64 / usage.seconds,
            server_micros_each: usage.server_micros_each(connect_loop.count),
            latency_micros: connect_loop.latencies.summary(),
            usage,
            generator_was_the_bottleneck: usage.generator_was_the_bottleneck(),
        })
    }
}

struct ConnectLoop {
    clients: Clients,
    /// The start of the connection in each slot.
    started: Vec<Instant>,
    opened: Vec<usize>,
    latencies: LatencyHistogram,
    count: u64,
}

impl ConnectLoop {
    fn connect(&mut self, slot: usize) -> Result<(), Error> {
        self.started[slot] = Instant::now();
        self.clients.connect(slot)
    }

    fn run(&mut self, length: Duration, mut on_progress: impl FnMut(u64)) -> Result<(), Error> {
        let begin = Instant::now();
        let mut watchdog = Watchdog::new(self.count);
        while begin.elapsed() < length {
            let mut opened = std::mem::take(&mut self.opened);
            self.clients.poll_opening(POLL_INTERVAL, &mut opened)?;
            let now = Instant::now();
            for slot in opened.drain(..) {
                self.latencies.record(now - self.started[slot]);
                self.count += 1;
                self.clients.abort(slot);
                self.connect(slot)?;
            }
            self.opened = opened;
            watchdog.check(self.count)?;
            on_progress(self.count);
        }
        Ok(())
    }
}

const POLL_INTERVAL: Duration = Duration::from_millis(50);
