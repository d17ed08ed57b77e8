//! Shutdown of a server: tells the shards to drain, close and abort, and waits for them. The order
//! of the stages is defined in [`stentor_core::node::Drain`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use stentor_core::Handler;
use stentor_core::channels::ServerEnd;
use stentor_core::node::{Deadline, Drain, DrainGoal, DrainStep};
use stentor_core::stats::Stats;
use stentor_server::{Clock, HungShards};
use tracing::info;

use crate::locked_shard::{LockedShards, ShardInput};
use crate::primitive::thread::JoinHandle;

/// Cuts the drain of a server short. Returned by [`Server::hurry`](crate::Server::hurry).
#[derive(Clone, Debug, Default)]
pub struct ForceShutdown(Arc<AtomicBool>);

impl ForceShutdown {
    /// Ends the drain, now or as soon as one begins: connections are closed with code 1001 at once
    /// and have a moment to answer, and whatever is still queued or in flight then is discarded.
    pub fn up(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether this was requested since the last call.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

/// Drains every shard. Never blocks on the lock of a shard, because an application that hangs holds
/// it.
pub(crate) fn drain<H: Handler>(
    stations: &LockedShards<H>,
    gate: &ServerEnd,
    patience: Duration,
    hurry: &ForceShutdown,
) {
    let clock = stations.pool.dispatcher.clock();
    let mut stages = Drain::new(clock.now(), patience);
    let is_reached = |goal| match goal {
        DrainGoal::Quiet => gate.is_idle() && stations.all(|shard| shard.is_quiet()),
        DrainGoal::Empty => stations.all(|shard| shard.is_empty()),
    };
    while let Some(step) = stages.poll(clock.now(), is_reached) {
        match step {
            DrainStep::Order(order) => {
                for at in stations.shards() {
                    stations.post(at, ShardInput::Order(order));
                }
            }
            DrainStep::Wait(_) if hurry.take() => {
                info!("shutdown: forced, closing at once");
                stages.handle_force(clock.now());
            }
            DrainStep::Wait(_) => thread::sleep(LOOK),
        }
    }
}

/// Waits for the threads of connections whose sockets have ended, for up to [`LAST_THREADS`].
pub(crate) fn wait_for_threads<H: Handler>(stations: &LockedShards<H>) {
    let clock = stations.pool.dispatcher.clock();
    let mut deadline = Deadline::new(clock.now(), LAST_THREADS);
    while stations.limiter.sockets() > 0 && !deadline.is_over(clock.now()) {
        thread::sleep(LOOK);
    }
}

/// Waits until a thread has ended, or until the deadline. Returns whether it has ended.
pub(crate) fn wait_for(thread: &JoinHandle<()>, clock: Clock, deadline: &mut Deadline) -> bool {
    while !thread.is_finished() && !deadline.is_over(clock.now()) {
        thread::sleep(LOOK);
    }
    thread.is_finished()
}

/// Returns the sum of the statistics of all shards, or the shards whose lock is still held at the
/// deadline.
pub(crate) fn take_stock<H: Handler>(
    stations: &LockedShards<H>,
    deadline: &mut Deadline,
) -> Result<Stats, HungShards> {
    let clock = stations.pool.dispatcher.clock();
    let (mut sum, mut hanging) = (Stats::default(), Vec::new());
    for at in stations.shards() {
        let stats = loop {
            let stats = stations.try_stats(at);
            if stats.is_some() || deadline.is_over(clock.now()) {
                break stats;
            }
            thread::sleep(LOOK);
        };
        match stats {
            Some(stats) => sum += &stats,
            None => hanging.push(at),
        }
    }
    HungShards::new(hanging).map_or(Ok(sum), Err)
}

/// Poll interval while a server ends.
const LOOK: Duration = Duration::from_millis(2);
const LAST_THREADS: Duration = Duration::from_secs(1);
