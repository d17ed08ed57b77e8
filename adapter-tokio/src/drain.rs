//! Owns the telling and the waiting at the end of a server; in what order, `stentor_server` says.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use stentor_core::Handler;
use stentor_server::drain::{Drain, DrainGoal, Order};
use stentor_server::{Clock, Deadline};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout_at};

use crate::remote::RemoteEndpoint;
use crate::shard_handle::{Post, ShardHandles};

/// Cuts the drain of a server short. Of [`Server::hurry`](crate::Server::hurry).
#[derive(Clone, Debug, Default)]
pub struct ForceShutdown(Arc<Notify>);

impl ForceShutdown {
    /// If the server drains, or as soon as it does, connections are closed with code 1001 at
    /// once, have a moment to answer, and what is queued or under way then is discarded.
    pub fn up(&self) {
        self.0.notify_one();
    }
}

/// Drains every shard, and ends it.
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
            Order::Drain => Post::Drain,
            Order::Close(code) => Post::Close(code),
            Order::Abort => Post::Abort,
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
    doors.post_to_all(|| Post::End);
}

/// What comes of this, if it does within that time of which none is used up while the process is
/// stopped.
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
