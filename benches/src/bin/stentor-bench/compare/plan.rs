//! Owns what is measured in a comparison: which loads, in which tables.

use stentor_core::MessageType;

use super::contender::{Contender, Handler, Running};
use super::figures::Figure;
use crate::fault::Fault;
use crate::load::{Echo, FanOut, Idle, Timing};

/// A table: every contender is a line.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<Column>,
}

/// A column: every contender bears the same load.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) title: String,
    pub(super) load: Load,
    /// Whether it is drawn: a chart of everything is one that nobody reads.
    pub(super) in_chart: bool,
}

#[derive(Debug)]
pub(super) enum Load {
    Echo(Echo),
    FanOut(FanOut),
    Idle(Idle),
}

impl Load {
    pub(super) fn handler(&self, contender: &Contender) -> Handler {
        match self {
            // What is sent to see whether an idle connection lives comes back.
            Self::Idle(_) if contender.is_raw() => Handler::Echo,
            Self::FanOut(_) | Self::Idle(_) => Handler::Rooms,
            Self::Echo(_) => Handler::Echo,
        }
    }

    pub(super) fn run(&self, server: &Running, timing: Timing) -> Result<Option<Figure>, Fault> {
        let place = server.place()?;
        Ok(match self {
            Self::Echo(echo) => Figure::of_flow(echo.run(&place, timing)?),
            Self::FanOut(fan_out) => Figure::of_flow(fan_out.run(&place, timing)?),
            Self::Idle(idle) => Some(Figure::of_idle(&idle.run(&place)?)),
        })
    }
}

/// The tables of the whole comparison.
pub(super) fn whole(kind: MessageType) -> Vec<Table> {
    let sizes = [16, 128, 1 << 10, 16 << 10, 64 << 10];
    vec![
        echoes(kind, 64, 1, &sizes),
        echoes(kind, 64, 16, &sizes),
        echoes(kind, 1_000, 1, &sizes),
        Table {
            title: FAN_OUT.into(),
            columns: [(1_000, 1), (1_000, 16), (5_000, 1), (5_000, 16)]
                .map(|(members, in_flight)| fan_out(members, in_flight))
                .into(),
        },
        Table {
            title: IDLE.into(),
            columns: vec![idle(5_000)],
        },
    ]
}

/// As many as go into a minute.
pub(super) fn quick(kind: MessageType) -> Vec<Table> {
    vec![
        echoes(kind, 64, 1, &[128]),
        echoes(kind, 64, 16, &[128]),
        echoes(kind, 1_000, 1, &[128]),
        Table {
            title: FAN_OUT.into(),
            columns: vec![fan_out(1_000, 1), fan_out(1_000, 16)],
        },
        Table {
            title: IDLE.into(),
            columns: vec![idle(2_000)],
        },
    ]
}

fn echoes(kind: MessageType, connections: usize, in_flight: usize, sizes: &[usize]) -> Table {
    let what = match kind {
        MessageType::Text => "Echo",
        MessageType::Binary => "Echo of binary",
    };
    let echo = |&bytes| echo(kind, connections, in_flight, bytes);
    Table {
        title: format!("{what}, {connections} connections, {in_flight} in flight on each"),
        columns: sizes.iter().map(echo).collect(),
    }
}

fn echo(kind: MessageType, connections: usize, in_flight: usize, bytes: usize) -> Column {
    let title = match bytes {
        0..1_024 => format!("{bytes} B"),
        _ => format!("{} KiB", bytes >> 10),
    };
    let load = Load::Echo(Echo {
        connections,
        in_flight,
        bytes,
        binary: kind == MessageType::Binary,
        prefix: String::new(),
    });
    Column {
        title,
        load,
        in_chart: bytes == 128 || bytes == 16 << 10,
    }
}

fn fan_out(members: usize, in_flight: usize) -> Column {
    let load = Load::FanOut(FanOut {
        rate: None,
        members,
        in_flight,
        bytes: 128,
        binary: false,
    });
    let title = format!("{members} members, {in_flight} in flight");
    Column {
        title,
        load,
        in_chart: true,
    }
}

fn idle(connections: usize) -> Column {
    let load = Load::Idle(Idle {
        connections,
        no_rooms: false,
    });
    let title = format!("{connections} connections");
    Column {
        title,
        load,
        in_chart: true,
    }
}

const FAN_OUT: &str = "Room broadcast, 128 B";
const IDLE: &str = "Idle connections";
