//! Owns the broadcast to a room as fast as it goes.

use std::time::Duration;

use clap::Args;
use stentor_core::MessageType;

use super::Place;
use super::crowd::{Crowd, Speech, join, join_raw};
use super::sustain::{Flow, PATIENCE, Shape, Timing, sustain};
use crate::fault::Fault;
use crate::net::{Fleet, raise_open_files};

/// One member of a room publishes, every member has to get it
#[derive(Clone, Debug, Args)]
pub(crate) struct FanOut {
    /// Members of the room
    #[arg(short, long, default_value_t = 1_000, value_parser = super::at_least_one)]
    pub(crate) members: usize,
    /// Messages that some member may not have yet
    #[arg(short = 'd', long, default_value_t = 1, value_parser = super::at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a message
    #[arg(short = 's', long, default_value_t = 128, value_parser = super::at_least_one)]
    pub(crate) bytes: usize,
    /// Messages to the room a second; otherwise as soon as there may be one more
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Binary messages instead of text
    #[arg(long)]
    pub(crate) binary: bool,
}

impl FanOut {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<Flow, Fault> {
        raise_open_files(self.members)?;
        let mut fleet = Fleet::new(&place.target)?;
        fleet.open(self.members, PATIENCE)?;
        if place.target.is_raw() {
            join_raw(&mut fleet)?;
        } else {
            join(&mut fleet)?;
        }
        fleet.listen()?;
        let mut crowd = Crowd::new(Speech {
            members: self.members,
            in_flight: self.in_flight,
            bytes: self.bytes,
            kind: if self.binary {
                MessageType::Binary
            } else {
                MessageType::Text
            },
            every: self.rate.map(|rate| Duration::from_secs(1) / rate),
            acknowledged: false,
            is_raw: place.target.is_raw(),
        });
        let shape = Shape {
            name: "fan-out",
            connections: self.members,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        sustain(&mut fleet, &mut crowd, place, timing, shape)
    }
}
