//! Owns the telling and the waiting at the end of a server; in what order, `stentor_cli` says.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use stentor_cli::Deadline;
use stentor_cli::drain::{Drain, DrainGoal, Order};
use stentor_core::Handler;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::remote::Outside;
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
    outside: &Outside,
    patience: Duration,
    hurry: &ForceShutdown,
) {
    let mut stages = Drain::new(Instant::now().into(), patience);
    while let Some(stage) = stages.next(Instant::now().into()) {
        doors.post_to_all(|| match stage.order {
            Order::Drain => Post::Drain,
            Order::Close(code) => Post::Close(code),
            Order::Abort => Post::Abort,
        });
        let done = || match stage.until {
            DrainGoal::Quiet => outside.gate.is_idle() && doors.all_quiet(),
            DrainGoal::Empty => doors.all_empty(),
        };
        let changed = async || {
            tokio::select! {
                () = doors.changed.notified() => {}
                () = outside.bell().over.notified() => {}
            }
        };
        while !done() {
            tokio::select! {
                biased;
                () = changed() => {}
                () = hurry.0.notified() => {
                    stages.hurry(Instant::now().into());
                    break;
                }
                () = sleep_until(stages.deadline().into()) => {
                    if !done() && stages.is_over(Instant::now().into()) {
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
pub(crate) async fn within<F: Future>(wait: Duration, future: F) -> Option<F::Output> {
    let mut deadline = Deadline::new(Instant::now().into(), wait);
    let mut future = pin!(future);
    loop {
        if let Ok(output) = timeout_at(deadline.at().into(), &mut future).await {
            return Some(output);
        }
        if deadline.is_over(Instant::now().into()) {
            return None;
        }
    }
}
