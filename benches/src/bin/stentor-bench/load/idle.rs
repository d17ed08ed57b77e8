//! Load `idle`: what idle connections cost the server, when opened, in a room, and after one
//! message.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, at_least_one};
use super::broadcast::join;
use super::request::request_all;
use crate::error::Error;
use crate::measure::{CpuMeter, CpuUsage, MeasuredProcess};
use crate::net::Clients;
use crate::progress::Progress;
use stentor_benches::messages;

/// Idle connections in a room; needs --pid
#[derive(Clone, Debug, Args)]
pub(crate) struct Idle {
    /// Connections
    #[arg(short, long, default_value_t = 5_000, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// The server has no rooms, and echoes every message
    #[arg(long)]
    pub(crate) no_rooms: bool,
}

/// The result of the load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleResult {
    pub(crate) connections: usize,
    pub(crate) open: StageCost,
    /// In a room, if the server has rooms.
    pub(crate) in_room: Option<StageCost>,
    /// After each connection has sent a message and received the answer.
    pub(crate) after_a_message: StageCost,
    pub(crate) server_threads: u64,
}

/// The cost of a connection up to this stage.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct StageCost {
    pub(crate) memory_bytes_each: f64,
    /// CPU microseconds of the server in this stage.
    pub(crate) micros_each: f64,
    pub(crate) usage: CpuUsage,
}

impl Idle {
    pub(crate) fn run(&self, target: &LoadTarget) -> Result<IdleResult, Error> {
        let no_pid = || Error::InvalidArgument("the load idle needs --pid, to read memory".into());
        let server = target.server.ok_or_else(no_pid)?;
        let mut progress = Progress::new(target.quiet);
        let mut clients = Clients::new(&target.endpoint)?;
        let rooms = !self.no_rooms && !target.endpoint.is_raw();
        let before = server.memory()?;
        let mut stage = |name: &str, work: &mut dyn FnMut() -> Result<(), Error>| {
            progress.update(|| format!("idle: {} connections, {name}", self.connections));
            self.stage(server, before, work)
        };
        let open = stage("opening", &mut || clients.open(self.connections))?;
        let in_room = match rooms {
            true => Some(stage("joining", &mut || join(&mut clients))?),
            false => None,
        };
        let payload = messages::payload(MessageType::Text, MESSAGE);
        let (mut frame, mut answer) = (Vec::new(), payload.clone());
        if target.endpoint.is_raw() {
            messages::server_frame(&mut frame, MessageType::Text, &payload);
        } else {
            messages::client_frame(&mut frame, MessageType::Text, &[&payload]);
        }
        if rooms {
            answer.splice(0..0, *b"echo:");
        }
        let after_a_message = stage("a message each", &mut || {
            request_all(&mut clients, &frame, &answer)
        })?;
        progress.end();
        Ok(IdleResult {
            connections: self.connections,
            open,
            in_room,
            after_a_message,
            server_threads: server.threads()?,
        })
    }

    fn stage(
        &self,
        server: MeasuredProcess,
        before: u64,
        work: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<StageCost, Error> {
        let meter = CpuMeter::new(Some(server));
        let begin = meter.read()?;
        work()?;
        // The server may still be working on the last connections.
        sleep(SETTLE);
        let usage = meter.since(&begin)?;
        let more = server.memory()? as f64 - before as f64;
        let count = self.connections as u64;
        Ok(StageCost {
            memory_bytes_each: more / self.connections as f64,
            micros_each: usage.server_micros_each(count).unwrap_or_default(),
            usage,
        })
    }
}

const MESSAGE: usize = 128;
const SETTLE: Duration = Duration::from_millis(300);
