//! Handles to the threads of the shards: a mailbox and a wake-up for each.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use mio::net::TcpStream;
use stentor_core::channels::ShardMessage;
use stentor_core::node::{ConnectionLimiter, ShardOrder};
use stentor_core::shard::Admission;
use stentor_core::sync::Mailbox;
use stentor_core::{ConnId, Handler, ShardId, TaskEnd};
use stentor_server::ServerCounters;
use stentor_server::inspect::{AdminQuery, ShardAnswer};
use tokio::sync::Notify;

/// An input for the thread of a shard.
pub(crate) enum ShardInput<H: Handler> {
    Message(ShardMessage),
    Socket(TcpStream, SocketAddr, Admission),
    TaskEnd(ConnId, TaskEnd<H>),
    /// The response to a request for the metrics.
    Metrics {
        id: ConnId,
        text: Arc<str>,
    },
    Query(PendingQuery),
    /// A step of the shutdown of the server.
    Order(ShardOrder),
    End,
}

/// An admin query in flight to a shard.
pub(crate) struct PendingQuery {
    pub(crate) question: Arc<AdminQuery>,
    pub(crate) reply: Sender<(ShardId, ShardAnswer)>,
    /// Counts as one waiting query until it is dropped.
    pub(crate) _waits: Arc<()>,
}

/// The handles to all shards, and the state that the shards share.
pub(crate) struct ShardHandles<H: Handler> {
    doors: Vec<ShardHandle<H>>,
    /// Notified when a shard has become quiet or empty.
    pub(crate) changed: Notify,
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) counters: ServerCounters,
}

struct ShardHandle<H: Handler> {
    mailbox: Mailbox<ShardInput<H>>,
    wake: Notify,
    /// Has one more reference for each query that waits at this shard.
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

    /// Puts an input into the mailbox of a shard and wakes it. Drops the input if the shard has
    /// ended.
    pub(crate) fn post(&self, to: ShardId, post: ShardInput<H>) {
        if let Ok(true) = self.push(to, post) {
            self.wake(to);
        }
    }

    /// Puts an input into the mailbox of a shard. Unlike [`post`](Self::post), leaves it to the
    /// caller to [`wake`](Self::wake) the shard if this returns `true`, and to drop the input if
    /// the shard has ended.
    #[expect(clippy::result_large_err, reason = "it is back whole")]
    pub(crate) fn push(&self, to: ShardId, post: ShardInput<H>) -> Result<bool, ShardInput<H>> {
        self.doors[to.index()].mailbox.push(post)
    }

    pub(crate) fn wake(&self, shard: ShardId) {
        self.doors[shard.index()].wake.notify_one();
    }

    /// Puts all `posts` into the mailbox of a shard at once, in order.
    pub(crate) fn post_all(&self, to: ShardId, posts: &mut Vec<ShardInput<H>>) {
        let door = &self.doors[to.index()];
        match door.mailbox.push_all(posts) {
            Ok(true) => door.wake.notify_one(),
            Ok(false) => {}
            Err(_) => posts.clear(),
        }
    }

    pub(crate) fn post_to_all(&self, post: impl Fn() -> ShardInput<H>) {
        for shard in self.shards() {
            self.post(shard, post());
        }
    }

    /// Returns a token to be kept while a query waits at a shard, or `None` if too many wait there
    /// already. This bounds the queries that pile up at a shard that hangs.
    pub(crate) fn may_ask(&self, shard: ShardId) -> Option<Arc<()>> {
        let asked = &self.doors[shard.index()].asked;
        (Arc::strong_count(asked) <= MOST_ASKED).then(|| asked.clone())
    }

    /// Moves the contents of the mailbox of a shard to `inbox`.
    pub(crate) fn take(&self, shard: ShardId, inbox: &mut VecDeque<ShardInput<H>>) {
        self.doors[shard.index()].mailbox.drain_into(inbox);
    }

    /// Waits until the mailbox of a shard has an input. May return early.
    pub(crate) async fn woken(&self, shard: ShardId) {
        self.doors[shard.index()].wake.notified().await;
    }

    /// Records the progress of a draining shard, and notifies `changed` when it has become quiet or
    /// empty.
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

/// Maximum number of queries, of the admin pages and of the metrics, that wait at a shard; more
/// than can be made at a time.
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
