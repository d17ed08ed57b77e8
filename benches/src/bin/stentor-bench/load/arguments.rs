//! Arguments that loads share: the server under load, how long a load runs, and counts.

use clap::Args;

use crate::error::Error;
use crate::measure::MeasuredProcess;
use crate::net::ServerAddress;

/// The server under load, and what is known about it.
#[derive(Clone, Debug)]
pub(crate) struct LoadTarget {
    pub(crate) endpoint: ServerAddress,
    /// The URL as it was given.
    pub(crate) url: String,
    /// The process of the server, if it runs on this machine and its pid is known.
    pub(crate) server: Option<MeasuredProcess>,
    /// Whether the server answers `/metrics` as Stentor does.
    pub(crate) metrics: bool,
    pub(crate) quiet: bool,
}

impl LoadTarget {
    /// Returns memory in bytes and the number of threads of the server.
    pub(super) fn memory_and_threads(&self) -> Result<(Option<u64>, Option<u64>), Error> {
        let memory = self.server.map(|server| server.memory()).transpose()?;
        let threads = self.server.map(|server| server.threads()).transpose()?;
        Ok((memory, threads))
    }
}

/// How long a load runs.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Timing {
    /// Seconds that are measured
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Seconds before that
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub(crate) warm_up: f64,
}

/// Parses a count that must not be zero.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a number, 1 or more".into()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds, from 0 to 3600".into()),
    }
}
