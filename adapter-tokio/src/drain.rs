//! Shutdown of a server: tells the shards to drain, close and abort, and waits for them. The order
//! of the stages is defined in [`stentor_server::drain`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use stentor_core::Handler;
use stentor_server::drain::{Drain, DrainGoal, Order};
use stentor_server::{Clock, Deadline};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout_at};

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
    while let Some(stage) = stages.next(clock.now()) {
        doors.post_to_all(|| match stage.order {
            Order::Drain => ShardInput::Drain,
            Order::Close(code) => ShardInput::Close(code),
            Order::Abort => ShardInput::Abort,
        });
        let done = || match stage.until {
            DrainGoal::Quiet => outside.server_end.is_idle() && doors.all_quiet(),
            DrainGoal::Empty => doors.all_empty(),
        };
        let changed = async || {
            tokio::select! {
                () = doors.changed.notified() => {}
                () = outside.notifier().over.notified() => {}
            }
        };
        while !done() {
            tokio::select! {
                biased;
                () = changed() => {}
                () = hurry.0.notified() => {
                    stages.force(clock.now());
                    break;
                }
                () = sleep_until(clock.instant(stages.deadline()).into()) => {
                    if !done() && stages.is_over(clock.now()) {
                        break;
                    }
                }
            }
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
