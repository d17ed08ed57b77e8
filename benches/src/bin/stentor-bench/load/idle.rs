//! Owns connections that do nothing: what each of them costs the server to open
//! and to keep.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use stentor_core::MessageType;

use super::Place;
use super::ask::ask;
use super::crowd::join;
use super::sustain::PATIENCE;
use crate::fault::Fault;
use crate::frames;
use crate::measure::{Gauge, Process, Usage};
use crate::net::{Fleet, raise_open_files};
use crate::progress::Progress;

/// Connections in a room that do nothing; needs --pid
#[derive(Clone, Debug, Args)]
pub(crate) struct Idle {
    /// Connections
    #[arg(short, long, default_value_t = 5_000, value_parser = super::at_least_one)]
    pub(crate) connections: usize,
    /// The server knows no rooms, and echoes everything
    #[arg(long)]
    pub(crate) no_rooms: bool,
}

/// What a connection costs, at each stage.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idled {
    pub(crate) connections: usize,
    pub(crate) open: Stage,
    /// In a room, where there are rooms.
    pub(crate) in_room: Option<Stage>,
    /// Each has sent a message and got its answer.
    pub(crate) after_a_message: Stage,
    pub(crate) server_threads: u64,
}

/// What a connection has cost until then.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Stage {
    pub(crate) memory_bytes_each: f64,
    /// CPU microseconds of the server for this stage.
    pub(crate) micros_each: f64,
    pub(crate) usage: Usage,
}

impl Idle {
    pub(crate) fn run(&self, place: &Place) -> Result<Idled, Fault> {
        let no_pid = || Fault::Argument("memory is that of a process: say which with --pid".into());
        let server = place.server.ok_or_else(no_pid)?;
        raise_open_files(self.connections)?;
        let mut progress = Progress::new(place.quiet);
        let mut fleet = Fleet::new(&place.target)?;
        let rooms = !self.no_rooms && !place.target.is_raw();
        let before = server.memory()?;
        let mut stage = |name: &str, work: &mut dyn FnMut() -> Result<(), Fault>| {
            progress.say(|| format!("idle: {} connections, {name}", self.connections));
            self.stage(server, before, work)
        };
        let open = stage("opening", &mut || fleet.open(self.connections, PATIENCE))?;
        let in_room = match rooms {
            true => Some(stage("joining", &mut || join(&mut fleet))?),
            false => None,
        };
        let payload = frames::payload(MessageType::Text, MESSAGE);
        let (mut frame, mut answer) = (Vec::new(), payload.clone());
        if place.target.is_raw() {
            frames::server(&mut frame, MessageType::Text, &payload);
        } else {
            frames::client(&mut frame, MessageType::Text, &[&payload]);
        }
        if rooms {
            answer.splice(0..0, *b"echo:");
        }
        let after_a_message = stage("a message each", &mut || ask(&mut fleet, &frame, &answer))?;
        progress.end();
        Ok(Idled {
            connections: self.connections,
            open,
            in_room,
            after_a_message,
            server_threads: server.threads()?,
        })
    }

    fn stage(
        &self,
        server: Process,
        before: u64,
        work: &mut dyn FnMut() -> Result<(), Fault>,
    ) -> Result<Stage, Fault> {
        let gauge = Gauge::new(Some(server));
        let begin = gauge.read()?;
        work()?;
        // What the server still has to do for it.
        sleep(REST);
        let usage = gauge.since(&begin)?;
        let more = server.memory()? as f64 - before as f64;
        let count = self.connections as u64;
        Ok(Stage {
            memory_bytes_each: more / self.connections as f64,
            micros_each: usage.server_micros_each(count).unwrap_or_default(),
            usage,
        })
    }
}

const MESSAGE: usize = 128;
const REST: Duration = Duration::from_millis(300);
