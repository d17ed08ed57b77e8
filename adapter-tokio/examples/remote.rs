//! A clock: the rooms of `stentor`, and a thread outside the server that tells
//! the room `time` once a second how late it is. Connections that join it hear
//! the clock among whatever they say themselves.
//!
//! ```sh
//! cargo run -p stentor-tokio --example remote
//! cargo run -p stentor-core --example client -- ws://localhost:8080/ws join:time
//! ```

use std::io;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stentor_core::channels::RemoteError;
use stentor_core::id::WorkerId;
use stentor_core::{Failure, MessageType, SendOptions};
use stentor_gateway::{RoomOutcome, RoomTask, Rooms};
use stentor_server::{Settings, Signals, program};
use stentor_tokio::{Server, ServerHandle, ShutdownReport, Work};

fn main() -> std::process::ExitCode {
    program("remote", serve)
}

fn serve(settings: Settings, signals: Signals) -> io::Result<ShutdownReport> {
    let rooms = settings.rooms();
    let server = Server::from_settings(settings)
        .handler(move |_shard| rooms)
        .work(RoomTaskRunner)
        .bind()?;
    let handle = server.handle();
    thread::spawn(move || tell_the_time(&handle));
    let force = server.force_shutdown();
    let (shutdown, until_shutdown) = tokio::sync::oneshot::channel();
    let shut_down = move || {
        let _ = shutdown.send(());
    };
    signals.watch(shut_down, move || force.trigger())?;
    let until_signal = async {
        let _ = until_shutdown.await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(server.serve(until_signal))
}

/// A clock that is late is of no use: what a slow reader has not taken by the next
/// second, it does not get.
fn tell_the_time(remote: &ServerHandle) {
    let options = SendOptions::new(10).ttl(SECOND);
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let seconds = now.as_secs() % 86_400;
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        let time = format!("{hours:02}:{minutes:02}:{:02} UTC", seconds % 60);
        // The server begins a little later than this thread; and where so much is
        // under way already, the next second is soon enough.
        let told = remote.try_publish(b"time", MessageType::Text, options, time);
        if told == Err(RemoteError::Ended) {
            return;
        }
        let rest = u64::from(now.subsec_nanos());
        thread::sleep(SECOND - Duration::from_nanos(rest));
    }
}

/// The tasks of the rooms.
struct RoomTaskRunner;

impl Work<Rooms> for RoomTaskRunner {
    async fn run(&self, worker: WorkerId, task: &RoomTask) -> Result<RoomOutcome, Failure> {
        Ok(task.run(worker))
    }
}

const SECOND: Duration = Duration::from_secs(1);
