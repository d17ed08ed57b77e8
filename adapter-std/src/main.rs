//! The binary `stentor-std`: settings in, a server until a signal, an exit code out.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stentor_cli::{HandlerKind, Settings, program};
use stentor_core::{Echo, Failure, RoomOutcome, RoomTask, Rooms, WorkerId};
use stentor_std::{Hurry, Report, Server, Work};

fn main() -> ExitCode {
    program("stentor-std", serve)
}

fn serve(settings: Settings) -> io::Result<Report> {
    let work_time = settings.work_time;
    let rooms = settings.rooms();
    let handler = settings.handler;
    let server = Server::bind(settings)?;
    // Before it says that it listens: then it can also be told to end.
    let signals = Signals::new([SIGINT, SIGTERM])?;
    let hurry = server.hurry();
    let (told, until_told) = channel();
    let take = move || take_signals(signals, &told, &hurry);
    thread::Builder::new().name("signals".into()).spawn(take)?;
    let until_signal = move || {
        // An error would mean that no signal can come any more.
        let _ = until_told.recv();
    };
    match handler {
        HandlerKind::Rooms => server.run(move |_| rooms, BuiltIn { work_time }, until_signal),
        HandlerKind::Echo => server.run(|_| Echo, Nothing, until_signal),
    }
}

/// The first signal ends the server, the second does so at once. Those that come then are taken
/// too, and change nothing.
fn take_signals(mut signals: Signals, told: &Sender<()>, hurry: &Hurry) {
    let mut signals = signals.forever();
    signals.next();
    // The server may have ended by itself.
    let _ = told.send(());
    signals.next();
    hurry.up();
    signals.for_each(drop);
}

/// The work of the rooms application.
struct BuiltIn {
    work_time: Duration,
}

impl Work<Rooms> for BuiltIn {
    fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        if !self.work_time.is_zero() {
            thread::sleep(self.work_time);
        }
        Ok(task.run(worker))
    }
}

/// The echo application has no tasks.
struct Nothing;

impl Work<Echo> for Nothing {
    fn run(&self, _: WorkerId, task: &Infallible) -> Result<Infallible, Failure> {
        match *task {}
    }
}
