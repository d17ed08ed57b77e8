//! Load `gateway`: four scenarios of a push gateway.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, Timing, at_least_one};
use super::broadcast::{Broadcast, BroadcastSettings, join};
use super::timed_run::{LoadShape, TrafficResult, run_timed};
use crate::error::Error;
use crate::measure::{CpuMeter, CpuUsage};
use crate::net::Clients;

/// Push to all users who are online, in four scenarios
#[derive(Clone, Debug, Args)]
pub(crate) struct Gateway {
    /// The scenario
    #[arg(value_enum)]
    pub(crate) scenario: Scenario,
    /// Users who are online
    #[arg(short, long, default_value_t = 5_000, value_parser = at_least_one)]
    pub(crate) users: usize,
    /// Bytes of a push
    #[arg(short = 's', long, default_value_t = 512, value_parser = at_least_one)]
    pub(crate) bytes: usize,
    /// Milliseconds between pushes
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub(crate) every: usize,
}

/// The scenarios.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// Users connect, and nothing is sent
    Online,
    /// Pushes to all users, each of whom acknowledges with an unsolicited pong
    Acknowledged,
    /// Pushes to all users
    Pushed,
    /// Pushes to all users, ten times as often
    Often,
}

/// The result of the load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GatewayResult {
    pub(crate) users: usize,
    pub(crate) online: Online,
    /// The deliveries of scenarios with pushes.
    pub(crate) pushes: Option<TrafficResult>,
    pub(crate) acknowledgements: u64,
    /// Pushes that were skipped because too many were in flight.
    pub(crate) late: u64,
}

/// How users connected.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Online {
    /// Users per second that connected and joined the room.
    pub(crate) users_per_second: f64,
    pub(crate) server_micros_each: Option<f64>,
    pub(crate) memory_bytes_each: Option<f64>,
    pub(crate) usage: CpuUsage,
}

impl Gateway {
    pub(crate) fn run(&self, target: &LoadTarget, timing: Timing) -> Result<GatewayResult, Error> {
        if target.endpoint.is_raw() {
            return Err(Error::InvalidArgument(
                "the load gateway needs a WebSocket server".into(),
            ));
        }
        let mut clients = Clients::new(&target.endpoint)?;
        let online = self.come_online(&mut clients, target)?;
        let mut result = GatewayResult {
            users: self.users,
            online,
            pushes: None,
            acknowledgements: 0,
            late: 0,
        };
        if self.scenario == Scenario::Online {
            return Ok(result);
        }
        let every = Duration::from_millis(self.every as u64);
        let mut broadcast = Broadcast::new(BroadcastSettings {
            members: self.users,
            in_flight: IN_FLIGHT,
            bytes: self.bytes,
            kind: MessageType::Text,
            interval: Some(if self.scenario == Scenario::Often {
                every / 10
            } else {
                every
            }),
            acknowledged: self.scenario == Scenario::Acknowledged,
            is_raw: false,
        });
        let shape = LoadShape {
            name: "gateway",
            connections: self.users,
            in_flight: IN_FLIGHT,
            bytes: self.bytes,
        };
        result.pushes = Some(run_timed(
            &mut clients,
            &mut broadcast,
            target,
            timing,
            shape,
        )?);
        result.acknowledgements = broadcast.acknowledgements;
        result.late = broadcast.late;
        Ok(result)
    }

    fn come_online(&self, clients: &mut Clients, target: &LoadTarget) -> Result<Online, Error> {
        let memory = || target.server.map(|server| server.memory()).transpose();
        let meter = CpuMeter::new(target.server);
        let (before, begin) = (memory()?, meter.read()?);
        clients.open(self.users)?;
        join(clients)?;
        let usage = meter.since(&begin)?;
        let more = memory()?
            .zip(before)
            .map(|(after, before)| after as f64 - before as f64);
        Ok(Online {
            users_per_second: self.users as f64 / usage.seconds,
            server_micros_each: usage.server_micros_each(self.users as u64),
            memory_bytes_each: more.map(|bytes| bytes / self.users as f64),
            usage,
        })
    }
}

/// The maximum number of pushes in flight; further ones are skipped and counted.
const IN_FLIGHT: usize = 4;
