//! The binary `stentor-std`: reads the settings, serves until a signal, returns an exit code.

use std::io;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use stentor_core::id::WorkerId;
use stentor_core::{Echo, Failure, Handler};
use stentor_gateway::{Gateway, RoomOutcome, RoomTask};
use stentor_server::{HandlerKind, Settings, Signals, program};
use stentor_std::{Server, ShutdownReport, Work};

fn main() -> ExitCode {
    program("stentor-std", serve)
}

fn serve(settings: Settings, signals: Signals) -> io::Result<ShutdownReport> {
    let (handler, rooms) = (settings.handler, settings.rooms());
    let work_time = settings.work_time;
    let (gateway, live) = (settings.gateway.clone(), settings.live.clone());
    let builder = Server::from_settings(settings);
    match handler {
        HandlerKind::Gateway => {
            let builder = builder.handler(move |shard| {
                Gateway::new(shard, gateway.clone()).with_updates(live.clone())
            });
            run(builder.work(RoomWork { work_time }).bind()?, signals)
        }
        HandlerKind::Rooms => {
            let builder = builder.handler(move |_| rooms);
            run(builder.work(RoomWork { work_time }).bind()?, signals)
        }
        HandlerKind::Echo => run(builder.handler(|_| Echo).bind()?, signals),
    }
}

/// Serves until the first signal; the second one cuts the drain short.
fn run<H, W>(server: Server<H, W>, signals: Signals) -> io::Result<ShutdownReport>
where
    H: Handler<State: Send> + Send + 'static,
    W: Work<H>,
{
    let force = server.force_shutdown();
    let (shutdown, until_shutdown) = channel();
    let shut_down = move || {
        // The server may have ended by itself.
        let _ = shutdown.send(());
    };
    signals.watch(shut_down, move || force.trigger())?;
    server.serve(move || {
        // An error would mean that no signal can come any more.
        let _ = until_shutdown.recv();
    })
}

/// The work of rooms, with either application that has them.
struct RoomWork {
    work_time: Duration,
}

impl<H> Work<H> for RoomWork
where
    H: Handler<Task = RoomTask, Outcome = RoomOutcome>,
{
    fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        if !self.work_time.is_zero() {
            thread::sleep(self.work_time);
        }
        Ok(task.run(worker))
    }
}
