//! The binary `stentor`: reads the settings, serves until a signal, returns an exit code.

use std::io;
use std::process::ExitCode;

use stentor_core::id::WorkerId;
use stentor_core::{Echo, Failure, Handler};
use stentor_gateway::{Gateway, RoomOutcome, RoomTask};
use stentor_server::{HandlerKind, Settings, Signals, program};
use stentor_tokio::{Server, ShutdownReport, Work};
use tokio::sync::oneshot;

fn main() -> ExitCode {
    program("stentor", serve)
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
    let (shutdown, until_shutdown) = oneshot::channel();
    let shut_down = move || {
        // The server may have ended by itself.
        let _ = shutdown.send(());
    };
    signals.watch(shut_down, move || force.trigger())?;
    let until_signal = async {
        // An error would mean that no signal can come any more.
        let _ = until_shutdown.await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(server.serve(until_signal))
}

/// The work of rooms, with either application that has them.
struct RoomWork {
    work_time: std::time::Duration,
}

impl<H> Work<H> for RoomWork
where
    H: Handler<Task = RoomTask, Outcome = RoomOutcome>,
{
    async fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        if !self.work_time.is_zero() {
            tokio::time::sleep(self.work_time).await;
        }
        Ok(task.run(worker))
    }
}
