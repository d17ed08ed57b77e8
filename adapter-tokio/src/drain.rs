//! Owns the end of a server: what was accepted is finished, everyone is told,
//! and what the deadline cuts off is counted.

use std::time::Duration;

use stentor_core::{CloseCode, Handler};
use tokio::time::{Instant, timeout_at};

use crate::door::{Doors, Post};

/// Drains every shard: first what is under way between them and at workers,
/// then their queues, each behind a close frame. Cuts off at the deadline
/// what is left.
pub(crate) async fn drain<H: Handler>(doors: &Doors<H>, patience: Duration) {
    let begin = Instant::now();
    let deadline = begin + patience;
    doors.post_to_all(|| Post::Drain);
    // A task that does not end must not cost everyone else their goodbye.
    let first = begin + patience.mul_f32(SHARE_OF_TASKS);
    wait(doors, Doors::all_quiet, first).await;
    doors.post_to_all(|| Post::Close(CloseCode::GOING_AWAY));
    wait(doors, Doors::all_empty, deadline).await;
    doors.post_to_all(|| Post::Abort);
    // A shard with nothing left still answers the others, whose members leave rooms at home there.
    wait(doors, Doors::all_empty, Instant::now() + LAST_LETTERS).await;
    doors.post_to_all(|| Post::End);
}

async fn wait<H: Handler>(doors: &Doors<H>, done: fn(&Doors<H>) -> bool, until: Instant) {
    while !done(doors) {
        if timeout_at(until, doors.changed.notified()).await.is_err() {
            return;
        }
    }
}

const SHARE_OF_TASKS: f32 = 0.75;
const LAST_LETTERS: Duration = Duration::from_millis(500);
