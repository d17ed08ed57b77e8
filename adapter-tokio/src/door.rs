//! Owns the ways into the threads of the shards: a mailbox and a wake-up each.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::TcpStream;
use stentor_cli::{Census, Turns};
use stentor_core::{
    Admission, CloseCode, ConnId, Handler, Letter, Mailbox, ShardId, Stats, TaskEnd,
};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// What can be handed to a shard's thread.
pub(crate) enum Post<H: Handler> {
    Letter(Letter),
    Socket(TcpStream, Admission),
    TaskEnd(ConnId, TaskEnd<H>),
    /// The answer to a request for the metrics.
    Metrics {
        id: ConnId,
        text: String,
        head_only: bool,
    },
    /// A request for what the shard has counted.
    Stats(UnboundedSender<(ShardId, Stats, Turns)>),
    Drain,
    Close(CloseCode),
    Abort,
    End,
}

/// The ways into every shard, and what the shards let others know.
pub(crate) struct Doors<H: Handler> {
    doors: Vec<Door<H>>,
    /// A shard has become quiet or empty.
    pub(crate) changed: Notify,
    pub(crate) census: Census,
}

struct Door<H: Handler> {
    mailbox: Mailbox<Post<H>>,
    wake: Notify,
    quiet: AtomicBool,
    empty: AtomicBool,
}

impl<H: Handler> Doors<H> {
    pub(crate) fn new(census: Census) -> Self {
        let door = |_| Door {
            mailbox: Mailbox::new(),
            wake: Notify::new(),
            quiet: AtomicBool::new(false),
            empty: AtomicBool::new(false),
        };
        Self {
            doors: census.shards().map(door).collect(),
            changed: Notify::new(),
            census,
        }
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<H> {
        self.census.shards()
    }

    /// Hands something to a shard. What a shard that has ended is handed is dropped.
    pub(crate) fn post(&self, to: ShardId, post: Post<H>) {
        let door = &self.doors[to.index()];
        if let Ok(true) = door.mailbox.push(post) {
            door.wake.notify_one();
        }
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
