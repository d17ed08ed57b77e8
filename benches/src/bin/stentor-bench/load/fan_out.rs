//! Load `fan-out`: broadcasts to a room at the maximum rate, or at a given rate.

use std::time::Duration;

use clap::Args;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, Timing, at_least_one};
use super::broadcast::{Broadcast, BroadcastSettings, join, join_raw};
use super::timed_run::{LoadShape, TrafficResult, run_timed};
use crate::error::Error;
use crate::net::Clients;

/// One member of a room publishes, and every member receives
#[derive(Clone, Debug, Args)]
pub(crate) struct FanOut {
    /// Members of the room
    #[arg(short, long, default_value_t = 1_000, value_parser = at_least_one)]
    pub(crate) members: usize,
    /// Messages that not all members have received yet
    #[arg(short = 'd', long, default_value_t = 1, value_parser = at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a message
    #[arg(short = 's', long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) bytes: usize,
    /// Messages per second; the default is as many as possible
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Binary messages instead of text
    #[arg(long)]
    pub(crate) binary: bool,
}

impl FanOut {
    pub(crate) fn run(&self, target: &LoadTarget, timing: Timing) -> Result<TrafficResult, Error> {
        let mut clients = Clients::new(&target.endpoint)?;
        clients.open(self.members)?;
        if target.endpoint.is_raw() {
            join_raw(&mut clients)?;
        } else {
            join(&mut clients)?;
        }
        clients.enable_quick_ack()?;
        let mut broadcast = Broadcast::new(BroadcastSettings {
            members: self.members,
            in_flight: self.in_flight,
            bytes: self.bytes,
            kind: if self.binary {
                MessageType::Binary
            } else {
                MessageType::Text
            },
            interval: self.rate.map(|rate| Duration::from_secs(1) / rate),
            acknowledged: false,
            is_raw: target.endpoint.is_raw(),
        });
        let shape = LoadShape {
            name: "fan-out",
            connections: self.members,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        run_timed(&mut clients, &mut broadcast, target, timing, shape)
    }
}
