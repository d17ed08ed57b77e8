//! Owns the telling and the waiting at the end of a server; in what order, `stentor_cli` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use stentor_cli::drain::{Drain, Milestone, Order};
use stentor_core::Handler;

use crate::station::Stations;

/// Cuts the drain of a server short. Of [`Server::hurry`](crate::Server::hurry).
#[derive(Clone, Debug, Default)]
pub struct Hurry(Arc<AtomicBool>);

impl Hurry {
    /// If the server drains, or as soon as it does, connections are closed with code 1001 at
    /// once, have a moment to answer, and what is queued or under way then is discarded.
    pub fn up(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was told so since the last look.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// Drains every shard.
pub(crate) fn drain<H: Handler>(stations: &Stations<H>, patience: Duration, hurry: &Hurry) {
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
        while !done() && Instant::now() < stage.deadline {
            if hurry.take() {
                stages.hurry(Instant::now());
                break;
            }
            thread::sleep(LOOK);
        }
    }
}

/// Waits for the threads of connections, whose sockets have ended.
pub(crate) fn wait_for_threads<H: Handler>(stations: &Stations<H>) {
    let until = Instant::now() + LAST_THREADS;
    while stations.census.sockets() > 0 && Instant::now() < until {
        thread::sleep(LOOK);
    }
}

/// How often it is looked whether the shards are ready; only while a server ends.
const LOOK: Duration = Duration::from_millis(2);
const LAST_THREADS: Duration = Duration::from_secs(1);
