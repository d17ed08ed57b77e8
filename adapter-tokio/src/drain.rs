//! Shutdown of a server: tells the shards to drain, close and abort, and waits for them. The order
//! of the stages is defined in [`stentor_core::node::Drain`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use stentor_core::Handler;
use stentor_core::node::{Deadline, Drain, DrainGoal, DrainStep};
use stentor_server::Clock;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout_at};
use tracing::info;

use crate::remote::RemoteEndpoint;
use crate::shard_handle::{ShardHandles, ShardInput};

/// Cuts the drain of a server short. Returned by [`Server::hurry`](crate::Server::hurry).
#[derive(Clone, Debug, Default)]
pub struct ForceShutdown(Arc<Notify>);

impl ForceShutdown {
    /// Ends the drain, now or as soon as one begins: connections are closed with code 1001 at once
    /// and have a moment to answer, and whatever is still queued or in flight then is discarded.
    pub fn up(&self) {
        self.0.notify_one();
    }
}

/// Drains every shard, then ends it.
pub(crate) async fn drain<H: Handler>(
    doors: &ShardHandles<H>,
    outside: &RemoteEndpoint,
    patience: Duration,
    hurry: &ForceShutdown,
    clock: Clock,
) {
    let mut stages = Drain::new(clock.now(), patience);
    let is_reached = |goal| match goal {
        DrainGoal::Quiet => outside.server_end.is_idle() && doors.all_quiet(),
        DrainGoal::Empty => doors.all_empty(),
    };
    while let Some(step) = stages.poll(clock.now(), is_reached) {
        match step {
            DrainStep::Order(order) => doors.post_to_all(|| ShardInput::Order(order)),
            DrainStep::Wait(until) => tokio::select! {
                biased;
                () = doors.changed.notified() => {}
                () = outside.notifier().over.notified() => {}
                () = hurry.0.notified() => {
                    info!("shutdown: forced, closing at once");
                    stages.handle_force(clock.now());
                }
                () = sleep_until(clock.instant(until).into()) => {}
            },
        }
    }
    doors.post_to_all(|| ShardInput::End);
}

/// Returns the output of a future, or `None` if it does not complete within `wait`. Time during
/// which the process is stopped does not count.
pub(crate) async fn within<F: Future>(
    clock: Clock,
    wait: Duration,
    future: F,
) -> Option<F::Output> {
    let mut deadline = Deadline::new(clock.now(), wait);
    let mut future = pin!(future);
    loop {
        if let Ok(output) = timeout_at(clock.instant(deadline.at()).into(), &mut future).await {
            return Some(output);
        }
        if deadline.is_over(clock.now()) {
            return None;
        }
    }
}
