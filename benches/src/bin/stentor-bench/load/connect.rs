//! Owns the rush at the door: connections that are opened, and ended as soon as
//! the handshake is done.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::Place;
use super::sustain::{PATIENCE, Timing};
use crate::fault::Fault;
use crate::measure::{Gauge, Latencies, Latency, Usage};
use crate::net::{Fleet, raise_open_files};
use crate::progress::Progress;

/// New connections a second: each is ended once it is open
#[derive(Clone, Debug, Args)]
pub(crate) struct Connect {
    /// Handshakes under way at once
    #[arg(short, long, default_value_t = 64, value_parser = super::at_least_one)]
    pub(crate) connections: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Connected {
    pub(crate) at_once: usize,
    pub(crate) connections: u64,
    pub(crate) connections_a_second: f64,
    /// CPU microseconds of the server for each, its end included.
    pub(crate) server_micros_each: Option<f64>,
    /// From the first packet until the handshake is done.
    pub(crate) latency_micros: Option<Latency>,
    pub(crate) usage: Usage,
    pub(crate) generator_was_the_bottleneck: bool,
}

impl Connect {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<Connected, Fault> {
        if place.target.is_raw() {
            // The system answers for it, before the server knows.
            let what = "only with a handshake does a new connection say something of the server";
            return Err(Fault::Argument(what.into()));
        }
        raise_open_files(self.connections)?;
        let mut rush = Rush {
            fleet: Fleet::new(&place.target)?,
            since: vec![Instant::now(); self.connections],
            opened: Vec::new(),
            latencies: Latencies::default(),
            count: 0,
        };
        for slot in 0..self.connections {
            rush.dial(slot)?;
        }
        let mut progress = Progress::new(place.quiet);
        rush.run(Duration::from_secs_f64(timing.warm_up), |_| {})?;
        rush.latencies = Latencies::default();
        rush.count = 0;
        let gauge = Gauge::new(place.server);
        let begin = gauge.read()?;
        rush.run(Duration::from_secs_f64(timing.seconds), |count| {
            progress.say(|| format!("connect: {count} connections"));
        })?;
        let usage = gauge.since(&begin)?;
        progress.end();
        Ok(Connected {
            at_once: self.connections,
            connections: rush.count,
            connections_a_second: rush.count as f64 / usage.seconds,
            server_micros_each: usage.server_micros_each(rush.count),
            latency_micros: rush.latencies.summary(),
            usage,
            generator_was_the_bottleneck: usage.generator_was_the_bottleneck(),
        })
    }
}

struct Rush {
    fleet: Fleet,
    /// When the connection in each slot was begun.
    since: Vec<Instant>,
    opened: Vec<usize>,
    latencies: Latencies,
    count: u64,
}

impl Rush {
    fn dial(&mut self, slot: usize) -> Result<(), Fault> {
        self.since[slot] = Instant::now();
        self.fleet.dial(slot)
    }

    fn run(&mut self, length: Duration, mut tell: impl FnMut(u64)) -> Result<(), Fault> {
        let begin = Instant::now();
        let mut heard = begin;
        while begin.elapsed() < length {
            let mut opened = std::mem::take(&mut self.opened);
            self.fleet.await_open(POLL, &mut opened)?;
            let now = Instant::now();
            if !opened.is_empty() {
                heard = now;
            } else if now - heard > PATIENCE {
                return Err(Fault::Stalled(PATIENCE.as_secs()));
            }
            for slot in opened.drain(..) {
                self.latencies.record(now - self.since[slot]);
                self.count += 1;
                self.fleet.cut(slot);
                self.dial(slot)?;
            }
            self.opened = opened;
            tell(self.count);
        }
        Ok(())
    }
}

const POLL: Duration = Duration::from_millis(50);
