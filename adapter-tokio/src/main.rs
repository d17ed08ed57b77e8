//! The binary `stentor`: reads the settings, serves until a signal, returns an exit code.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;

use stentor_core::id::WorkerId;
use stentor_core::{Echo, Failure};
use stentor_gateway::{RoomOutcome, RoomTask, Rooms};
use stentor_server::{HandlerKind, Settings, Signals, program};
use stentor_tokio::{Server, ShutdownReport, Work};
use tokio::sync::oneshot;

fn main() -> ExitCode {
    program("stentor", serve)
}

fn serve(settings: Settings, signals: Signals) -> io::Result<ShutdownReport> {
    let work_time = settings.work_time;
    let rooms = settings.rooms();
    let handler = settings.handler;
    let server = Server::bind(settings)?;
    let hurry = server.hurry();
    let (shutdown, until_shutdown) = oneshot::channel();
    let shut_down = move || {
        // The server may have ended by itself.
        let _ = shutdown.send(());
    };
    signals.watch(shut_down, move || hurry.up())?;
    let until_signal = async {
        // An error would mean that no signal can come any more.
        let _ = until_shutdown.await;
    };
    match handler {
        HandlerKind::Rooms => server.run(move |_| rooms, RoomWork { work_time }, until_signal),
        HandlerKind::Echo => server.run(|_| Echo, NoTasks, until_signal),
    }
}

/// The work of the rooms application.
struct RoomWork {
    work_time: std::time::Duration,
}

impl Work<Rooms> for RoomWork {
    async fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        if !self.work_time.is_zero() {
            tokio::time::sleep(self.work_time).await;
        }
        Ok(task.run(worker))
    }
}

/// The echo application has no tasks.
struct NoTasks;

impl Work<Echo> for NoTasks {
    async fn run(&self, _: WorkerId, task: &Infallible) -> Result<Infallible, Failure> {
        match *task {}
    }
}
