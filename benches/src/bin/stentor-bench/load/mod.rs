//! Owns what is said on the connections: the loads, one a file. Each is a value
//! that says what is wanted, and runs against a place.

mod ask;
mod connect;
mod crowd;
mod echo;
mod fan_out;
mod gateway;
mod hold;
mod idle;
mod laggards;
mod misfit;
mod mixed;
mod stream;
mod sustain;
mod tasks;
mod urgent;

use crate::measure::Process;
use crate::net::Target;

pub(crate) use connect::{Connect, Connected};
pub(crate) use echo::Echo;
pub(crate) use fan_out::FanOut;
pub(crate) use gateway::{Gateway, Pushed};
pub(crate) use hold::{CLOSED, Hold, OPEN};
pub(crate) use idle::{Idle, Idled};
pub(crate) use laggards::{Laggards, Lagged};
pub(crate) use misfit::listen;
pub(crate) use mixed::{Mixed, Urgency};
pub(crate) use sustain::{Flow, Timing};
pub(crate) use tasks::Tasks;
pub(crate) use urgent::Urgent;

/// Where a load is put, and how that is told.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) target: Target,
    /// As it was given.
    pub(crate) url: String,
    /// The server, if it runs on this machine and its pid is known.
    pub(crate) server: Option<Process>,
    /// Whether it answers `/metrics` as Stentor does.
    pub(crate) metrics: bool,
    pub(crate) quiet: bool,
}

impl Place {
    /// Memory and threads of the server.
    fn size(&self) -> Result<(Option<u64>, Option<u64>), crate::fault::Fault> {
        let memory = self.server.map(|server| server.memory()).transpose()?;
        let threads = self.server.map(|server| server.threads()).transpose()?;
        Ok((memory, threads))
    }
}

/// For arguments that count something.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a number, 1 or more".into()),
    }
}
