//! Owns four scenarios of a push gateway: users come online; everybody is pushed
//! to and acknowledges; the same without acknowledgement; the same more often.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use stentor_core::MessageType;

use super::Place;
use super::crowd::{Crowd, Speech, join};
use super::sustain::{Flow, PATIENCE, Shape, Timing, sustain};
use crate::fault::Fault;
use crate::measure::{Gauge, Usage};
use crate::net::{Fleet, raise_open_files};

/// Push to everybody who is online, in four scenarios
#[derive(Clone, Debug, Args)]
pub(crate) struct Gateway {
    /// Which of them
    #[arg(value_enum)]
    pub(crate) scenario: Scenario,
    /// Users who are online
    #[arg(short, long, default_value_t = 5_000, value_parser = super::at_least_one)]
    pub(crate) users: usize,
    /// Bytes of a push
    #[arg(short = 's', long, default_value_t = 512, value_parser = super::at_least_one)]
    pub(crate) bytes: usize,
    /// Milliseconds between pushes
    #[arg(long, default_value_t = 1_000, value_parser = super::at_least_one)]
    pub(crate) every: usize,
}

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// Users come online, and nothing is said
    Online,
    /// Everybody is pushed to, and each acknowledges, by a pong of their own accord
    Acknowledged,
    /// Everybody is pushed to
    Pushed,
    /// Everybody is pushed to, ten times as often
    Often,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pushed {
    pub(crate) users: usize,
    pub(crate) online: Online,
    /// Of the scenarios with pushes: a message is one that came to one user.
    pub(crate) pushes: Option<Flow>,
    pub(crate) acknowledgements: u64,
    /// Pushes that were left out, because an earlier one had not come to everybody.
    pub(crate) late: u64,
}

/// How users came online.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Online {
    /// Opened, and in the room.
    pub(crate) users_a_second: f64,
    pub(crate) server_micros_each: Option<f64>,
    pub(crate) memory_bytes_each: Option<f64>,
    pub(crate) usage: Usage,
}

impl Gateway {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<Pushed, Fault> {
        if place.target.is_raw() {
            return Err(Fault::Argument("a gateway speaks WebSocket".into()));
        }
        raise_open_files(self.users)?;
        let mut fleet = Fleet::new(&place.target)?;
        let online = self.come_online(&mut fleet, place)?;
        let mut pushed = Pushed {
            users: self.users,
            online,
            pushes: None,
            acknowledgements: 0,
            late: 0,
        };
        if self.scenario == Scenario::Online {
            return Ok(pushed);
        }
        let every = Duration::from_millis(self.every as u64);
        let mut crowd = Crowd::new(Speech {
            members: self.users,
            in_flight: UNDER_WAY,
            bytes: self.bytes,
            kind: MessageType::Text,
            every: Some(if self.scenario == Scenario::Often {
                every / 10
            } else {
                every
            }),
            acknowledged: self.scenario == Scenario::Acknowledged,
            is_raw: false,
        });
        let shape = Shape {
            name: "gateway",
            connections: self.users,
            in_flight: UNDER_WAY,
            bytes: self.bytes,
        };
        pushed.pushes = Some(sustain(&mut fleet, &mut crowd, place, timing, shape)?);
        pushed.acknowledgements = crowd.acknowledgements;
        pushed.late = crowd.late;
        Ok(pushed)
    }

    fn come_online(&self, fleet: &mut Fleet, place: &Place) -> Result<Online, Fault> {
        let memory = || place.server.map(|server| server.memory()).transpose();
        let gauge = Gauge::new(place.server);
        let (before, begin) = (memory()?, gauge.read()?);
        fleet.open(self.users, PATIENCE)?;
        join(fleet)?;
        let usage = gauge.since(&begin)?;
        let more = memory()?
            .zip(before)
            .map(|(after, before)| after as f64 - before as f64);
        Ok(Online {
            users_a_second: self.users as f64 / usage.seconds,
            server_micros_each: usage.server_micros_each(self.users as u64),
            memory_bytes_each: more.map(|bytes| bytes / self.users as f64),
            usage,
        })
    }
}

/// Pushes that may be under way at once; one more is left out, and counted.
const UNDER_WAY: usize = 4;
