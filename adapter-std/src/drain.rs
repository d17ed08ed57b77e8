//! Owns the telling and the waiting at the end of a server; in what order, `stentor_cli` says.

use std::thread;
use std::time::{Duration, Instant};

use stentor_cli::drain::{Drain, Milestone, Order};
use stentor_core::Handler;

use crate::station::Stations;

/// Drains every shard.
pub(crate) fn drain<H: Handler>(stations: &Stations<H>, patience: Duration) {
    let mut stages = Drain::new(Instant::now(), patience);
    while let Some(stage) = stages.next(Instant::now()) {
        stations.handle_with_all(|inside| match stage.order {
            Order::Drain => inside.shard.handle_drain(inside.now),
            Order::Close(code) => inside.shard.handle_close_all(inside.now, code),
            Order::Abort => inside.shard.handle_abort(inside.now),
        });
        let done = || match stage.until {
            Milestone::Quiet => stations.all(|shard| shard.is_quiet()),
            Milestone::Empty => stations.all(|shard| shard.is_empty()),
        };
        wait(done, stage.deadline);
    }
}

/// Waits for the threads of connections, whose sockets have ended.
pub(crate) fn wait_for_threads<H: Handler>(stations: &Stations<H>) {
    wait(
        || stations.census.sockets() == 0,
        Instant::now() + LAST_THREADS,
    );
}

fn wait(done: impl Fn() -> bool, until: Instant) {
    while !done() && Instant::now() < until {
        thread::sleep(LOOK);
    }
}

/// How often it is looked whether the shards are ready; only while a server ends.
const LOOK: Duration = Duration::from_millis(2);
const LAST_THREADS: Duration = Duration::from_secs(1);
