//! Comparison plan: the loads that every server is measured under.

use stentor_core::MessageType;

use super::results::Measurement;
use crate::error::Error;
use crate::load::{EchoLoad, FanOut, Idle, Timing};
use crate::server_process::{BenchHandler, ServerCommand, ServerProcess};

/// A load of the plan.
#[derive(Debug)]
pub(super) struct PlannedLoad {
    /// The title of the loads that belong together.
    pub(super) group: String,
    pub(super) title: String,
    /// Whether the plot shows it.
    pub(super) in_plot: bool,
    pub(super) load: Load,
}

/// A kind of load with its parameters.
#[derive(Debug)]
pub(super) enum Load {
    Echo(EchoLoad),
    FanOut(FanOut),
    Idle(Idle),
}

impl Load {
    /// Returns the handler that the server has to run for this load.
    pub(super) fn handler(&self, server: &ServerCommand) -> BenchHandler {
        match self {
            // The bare loop has no rooms, and has to echo the message that is sent at the end.
            Self::Idle(_) if server.is_raw() => BenchHandler::Echo,
            Self::FanOut(_) | Self::Idle(_) => BenchHandler::Rooms,
            Self::Echo(_) => BenchHandler::Echo,
        }
    }

    /// Runs the load once. Returns `None` if no message arrived.
    pub(super) fn run(
        &self,
        server: &ServerProcess,
        timing: Timing,
    ) -> Result<Option<Measurement>, Error> {
        let target = server.target()?;
        Ok(match self {
            Self::Echo(echo) => Measurement::from_traffic(echo.run(&target, timing)?),
            Self::FanOut(fan_out) => Measurement::from_traffic(fan_out.run(&target, timing)?),
            Self::Idle(idle) => Some(Measurement::from_idle(&idle.run(&target)?)),
        })
    }
}

/// Returns all loads of a full comparison.
pub(super) fn full(kind: MessageType) -> Vec<PlannedLoad> {
    let mut loads = Vec::new();
    for (connections, in_flight) in ECHOES {
        let sizes = [16, 128, 1 << 10, 16 << 10, 64 << 10];
        loads.extend(sizes.map(|bytes| echo(kind, connections, in_flight, bytes)));
    }
    let rooms = [(1_000, 1), (1_000, 16), (5_000, 1), (5_000, 16)];
    loads.extend(rooms.map(|(members, in_flight)| fan_out(members, in_flight)));
    loads.push(idle(5_000));
    loads
}

/// Returns the loads of `--quick`, which together take about a minute.
pub(super) fn quick(kind: MessageType) -> Vec<PlannedLoad> {
    let mut loads = Vec::new();
    loads.extend(ECHOES.map(|(connections, in_flight)| echo(kind, connections, in_flight, 128)));
    loads.extend([fan_out(1_000, 1), fan_out(1_000, 16), idle(2_000)]);
    loads
}

fn echo(kind: MessageType, connections: usize, in_flight: usize, bytes: usize) -> PlannedLoad {
    let name = match kind {
        MessageType::Text => "Echo",
        MessageType::Binary => "Echo of binary",
    };
    let title = match bytes {
        0..1_024 => format!("{bytes} B"),
        _ => format!("{} KiB", bytes >> 10),
    };
    let load = Load::Echo(EchoLoad {
        connections,
        in_flight,
        bytes,
        binary: kind == MessageType::Binary,
        prefix: String::new(),
    });
    PlannedLoad {
        group: format!("{name}, {connections} connections, {in_flight} in flight on each"),
        title,
        in_plot: bytes == 128 || bytes == 16 << 10,
        load,
    }
}

fn fan_out(members: usize, in_flight: usize) -> PlannedLoad {
    let load = Load::FanOut(FanOut {
        rate: None,
        members,
        in_flight,
        bytes: 128,
        binary: false,
    });
    PlannedLoad {
        group: "Room broadcast, 128 B".into(),
        title: format!("{members} members, {in_flight} in flight"),
        in_plot: true,
        load,
    }
}

fn idle(connections: usize) -> PlannedLoad {
    let load = Load::Idle(Idle {
        connections,
        no_rooms: false,
    });
    PlannedLoad {
        group: "Opening connections".into(),
        title: format!("{connections} connections"),
        in_plot: true,
        load,
    }
}

/// Connections, and messages in flight on each.
const ECHOES: [(usize, usize); 3] = [(64, 1), (64, 16), (1_000, 1)];
