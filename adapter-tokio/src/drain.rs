//! Owns the telling and the waiting at the end of a server; in what order, `stentor_cli` says.

use std::time::Duration;

use stentor_cli::drain::{Drain, Milestone, Order};
use stentor_core::Handler;
use tokio::time::{Instant, timeout_at};

use crate::door::{Doors, Post};

/// Drains every shard, and ends it.
pub(crate) async fn drain<H: Handler>(doors: &Doors<H>, patience: Duration) {
    let mut stages = Drain::new(Instant::now().into(), patience);
    while let Some(stage) = stages.next(Instant::now().into()) {
        doors.post_to_all(|| match stage.order {
            Order::Drain => Post::Drain,
            Order::Close(code) => Post::Close(code),
            Order::Abort => Post::Abort,
        });
        let done = match stage.until {
            Milestone::Quiet => Doors::all_quiet,
            Milestone::Empty => Doors::all_empty,
        };
        wait(doors, done, stage.deadline.into()).await;
    }
    doors.post_to_all(|| Post::End);
}

async fn wait<H: Handler>(doors: &Doors<H>, done: fn(&Doors<H>) -> bool, until: Instant) {
    while !done(doors) {
        if timeout_at(until, doors.changed.notified()).await.is_err() {
            return;
        }
    }
}
