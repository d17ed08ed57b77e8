//! The binary `stentor`: settings in, a server until a signal, an exit code out.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;

use stentor_cli::{HandlerKind, Settings, program};
use stentor_core::{Echo, Failure, RoomOutcome, RoomTask, Rooms, WorkerId};
use stentor_tokio::{Hurry, Report, Server, Work};
use tracing::error;

fn main() -> ExitCode {
    program("stentor", serve)
}

fn serve(settings: Settings) -> io::Result<Report> {
    let work_time = settings.work_time;
    let rooms = settings.rooms();
    let handler = settings.handler;
    let server = Server::bind(settings)?;
    let until_signal = signals(server.hurry());
    match handler {
        HandlerKind::Rooms => server.run(move |_| rooms, BuiltIn { work_time }, until_signal),
        HandlerKind::Echo => server.run(|_| Echo, Nothing, until_signal),
    }
}

/// The work of the rooms application.
struct BuiltIn {
    work_time: std::time::Duration,
}

impl Work<Rooms> for BuiltIn {
    async fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        if !self.work_time.is_zero() {
            tokio::time::sleep(self.work_time).await;
        }
        Ok(task.run(worker))
    }
}

/// The echo application has no tasks.
struct Nothing;

impl Work<Echo> for Nothing {
    async fn run(&self, _: WorkerId, task: &Infallible) -> Result<Infallible, Failure> {
        match *task {}
    }
}

/// Until SIGINT or SIGTERM comes. The next one is told to `hurry`.
async fn signals(hurry: Hurry) {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => {
            error!(%error, "signals cannot be taken");
            return;
        }
    };
    let mut next = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    next().await;
    tokio::spawn(async move {
        next().await;
        hurry.up();
    });
}
