//! Owns the ways into the threads of the shards: a mailbox and a wake-up each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use mio::net::TcpStream;
use stentor_core::{
    Admission, CloseCode, ConnId, Handler, Mailbox, ShardId, ShardMessage, TaskEnd,
};
use stentor_server::inspect::{AdminQuery, Answer};
use stentor_server::{ConnectionLimiter, ServerCounters};
use tokio::sync::Notify;

/// What can be handed to a shard's thread.
pub(crate) enum Post<H: Handler> {
    Message(ShardMessage),
    Socket(TcpStream, Admission),
    TaskEnd(ConnId, TaskEnd<H>),
    /// The answer to a request for the metrics.
    Metrics {
        id: ConnId,
        text: Arc<str>,
        head_only: bool,
    },
    Query(PendingQuery),
    Drain,
    Close(CloseCode),
    Abort,
    End,
}

/// A question on its way to a shard.
pub(crate) struct PendingQuery {
    pub(crate) question: Arc<AdminQuery>,
    pub(crate) reply: Sender<(ShardId, Answer)>,
    /// As long as this is there, the question waits.
    pub(crate) _waits: Arc<()>,
}

/// The ways into every shard, and what the shards let others know.
pub(crate) struct ShardHandles<H: Handler> {
    doors: Vec<ShardHandle<H>>,
    /// A shard has become quiet or empty.
    pub(crate) changed: Notify,
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) counters: ServerCounters,
}

struct ShardHandle<H: Handler> {
    mailbox: Mailbox<Post<H>>,
    wake: Notify,
    /// One more for each question of an admin page that waits here.
    asked: Arc<()>,
    quiet: AtomicBool,
    empty: AtomicBool,
}

impl<H: Handler> ShardHandles<H> {
    pub(crate) fn new(limiter: ConnectionLimiter) -> Self {
        let door = |_| ShardHandle {
            mailbox: Mailbox::new(),
            wake: Notify::new(),
            asked: Arc::new(()),
            quiet: AtomicBool::new(false),
            empty: AtomicBool::new(false),
        };
        Self {
            doors: limiter.shards().map(door).collect(),
            changed: Notify::new(),
            limiter,
            counters: ServerCounters::new(),
        }
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<H> {
        self.limiter.shards()
    }

    /// Hands something to a shard. What a shard that has ended is handed is dropped.
    pub(crate) fn post(&self, to: ShardId, post: Post<H>) {
        if let Ok(true) = self.push(to, post) {
            self.wake(to);
        }
    }

    /// As [`post`](Self::post), but leaves it to the caller to [`wake`](Self::wake) the shard, where
    /// it says so, and to drop what a shard that has ended does not take.
    #[expect(clippy::result_large_err, reason = "it is back whole")]
    pub(crate) fn push(&self, to: ShardId, post: Post<H>) -> Result<bool, Post<H>> {
        self.doors[to.index()].mailbox.push(post)
    }

    pub(crate) fn wake(&self, shard: ShardId) {
        self.doors[shard.index()].wake.notify_one();
    }

    /// Hands over everything in `posts`, in order, at once.
    pub(crate) fn post_all(&self, to: ShardId, posts: &mut Vec<Post<H>>) {
        let door = &self.doors[to.index()];
        match door.mailbox.push_all(posts) {
            Ok(true) => door.wake.notify_one(),
            Ok(false) => {}
            Err(_) => posts.clear(),
        }
    }

    pub(crate) fn post_to_all(&self, post: impl Fn() -> Post<H>) {
        for shard in self.shards() {
            self.post(shard, post());
        }
    }

    /// Whether a shard may be asked something, rather than that questions pile up at one that
    /// hangs: what is to be kept as long as the question waits.
    pub(crate) fn may_ask(&self, shard: ShardId) -> Option<Arc<()>> {
        let asked = &self.doors[shard.index()].asked;
        (Arc::strong_count(asked) <= MOST_ASKED).then(|| asked.clone())
    }

    /// Takes what was handed in.
    pub(crate) fn take(&self, shard: ShardId, inbox: &mut VecDeque<Post<H>>) {
        self.doors[shard.index()].mailbox.drain_into(inbox);
    }

    /// Waits until something is handed in. May return early.
    pub(crate) async fn woken(&self, shard: ShardId) {
        self.doors[shard.index()].wake.notified().await;
    }

    /// A draining shard says how far it is.
    pub(crate) fn report(&self, shard: ShardId, quiet: bool, empty: bool) {
        let door = &self.doors[shard.index()];
        let was_quiet = door.quiet.swap(quiet, Ordering::AcqRel);
        let was_empty = door.empty.swap(empty, Ordering::AcqRel);
        if (quiet && !was_quiet) || (empty && !was_empty) {
            self.changed.notify_one();
        }
    }

    pub(crate) fn all_quiet(&self) -> bool {
        self.doors
            .iter()
            .all(|door| door.quiet.load(Ordering::Acquire))
    }

    pub(crate) fn all_empty(&self) -> bool {
        self.doors
            .iter()
            .all(|door| door.empty.load(Ordering::Acquire))
    }
}

/// Questions of admin pages, and for the metrics, that wait at a shard; more than can be asked at
/// a time.
const MOST_ASKED: usize = 8;

#[cfg(test)]
mod tests {
    use stentor_core::Echo;

    use super::*;

    #[test]
    fn only_so_many_questions_wait_at_a_shard() {
        let doors = ShardHandles::<Echo>::new(ConnectionLimiter::new(2, None));
        let mut waiting: Vec<_> = std::iter::from_fn(|| doors.may_ask(ShardId(1))).collect();
        assert_eq!(waiting.len(), MOST_ASKED);
        assert!(
            doors.may_ask(ShardId(0)).is_some(),
            "another's do not count"
        );
        waiting.pop();
        waiting.extend(doors.may_ask(ShardId(1)));
        assert_eq!(waiting.len(), MOST_ASKED);
    }
}
