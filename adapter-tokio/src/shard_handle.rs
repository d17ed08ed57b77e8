//! Handles to the threads of the shards, and the means to wake their workers: a mailbox and a wake-up
//! for each shard, permits for the workers.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::TcpStream;
use stentor_core::node::DrainGoal;
use stentor_core::shard::Admission;
use stentor_core::sync::Mailbox;
use stentor_core::tasks::{Submission, Wakeups};
use stentor_core::{ConnId, Handler, ShardId, TaskEnd};
use stentor_server::IncomingSocket;
use stentor_server::host::{Arrival, Host, ServerState, ShardInput};
use tokio::sync::{Notify, Semaphore};

/// An input for the thread of a shard.
pub(crate) enum DriverInput<H: Handler> {
    Shared(ShardInput),
    Socket(TcpStream, Arrival, Admission),
    Incoming(Box<IncomingSocket>, Admission),
    TaskEnd(ConnId, TaskEnd<H>),
    End,
}

/// The handles to all shards, and the state that the shards share.
pub(crate) struct ShardHandles<H: Handler> {
    handles: Vec<ShardHandle<H>>,
    pub(crate) state: ServerState<H::Task>,
    /// One permit for each wake-up that the dispatcher owes a sleeping worker.
    pub(crate) worker_wakes: Semaphore,
}

struct ShardHandle<H: Handler> {
    mailbox: Mailbox<DriverInput<H>>,
    wake: Notify,
    quiet: AtomicBool,
    empty: AtomicBool,
}

impl<H: Handler> ShardHandles<H> {
    pub(crate) fn new(state: ServerState<H::Task>) -> Self {
        let handle = |_| ShardHandle {
            mailbox: Mailbox::new(),
            wake: Notify::new(),
            quiet: AtomicBool::new(false),
            empty: AtomicBool::new(false),
        };
        Self {
            handles: state.limiter.shards().map(handle).collect(),
            state,
            worker_wakes: Semaphore::new(0),
        }
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<H> {
        self.state.limiter.shards()
    }

    /// Puts an input into the mailbox of a shard and wakes it. Drops the input if the shard has
    /// ended.
    pub(crate) fn post_input(&self, to: ShardId, post: DriverInput<H>) {
        if let Ok(true) = self.push(to, post) {
            self.wake(to);
        }
    }

    /// Puts an input into the mailbox of a shard. Unlike [`post_input`](Self::post_input), leaves it to the
    /// caller to [`wake`](Self::wake) the shard if this returns `true`, and to drop the input if
    /// the shard has ended.
    #[expect(clippy::result_large_err, reason = "it is back whole")]
    pub(crate) fn push(&self, to: ShardId, post: DriverInput<H>) -> Result<bool, DriverInput<H>> {
        self.handles[to.index()].mailbox.push(post)
    }

    pub(crate) fn wake(&self, shard: ShardId) {
        self.handles[shard.index()].wake.notify_one();
    }

    /// Puts all `posts` into the mailbox of a shard at once, in order.
    pub(crate) fn post_all(&self, to: ShardId, posts: &mut Vec<DriverInput<H>>) {
        let handle = &self.handles[to.index()];
        match handle.mailbox.push_all(posts) {
            Ok(true) => handle.wake.notify_one(),
            Ok(false) => {}
            Err(_) => posts.clear(),
        }
    }

    pub(crate) fn post_to_all(&self, post: impl Fn() -> DriverInput<H>) {
        for shard in self.shards() {
            self.post_input(shard, post());
        }
    }

    /// Submits tasks. Leaves the buffer empty and returns the refused tasks.
    pub(crate) fn submit_all(
        &self,
        tasks: &mut Vec<Submission<H::Task>>,
    ) -> Vec<(ConnId, H::Task)> {
        let (wakeups, refused) = self.state.dispatcher.submit_all(tasks);
        self.wake_for(wakeups);
        refused
    }

    /// Performs the wake-ups that a call of the dispatcher returned.
    pub(crate) fn wake_for(&self, wakeups: Wakeups) {
        if wakeups.workers > 0 {
            self.worker_wakes.add_permits(wakeups.workers);
        }
        if wakeups.timer {
            self.state.dispatcher.wake_timer();
        }
    }

    /// Moves the contents of the mailbox of a shard to `inbox`.
    pub(crate) fn take(&self, shard: ShardId, inbox: &mut VecDeque<DriverInput<H>>) {
        self.handles[shard.index()].mailbox.drain_into(inbox);
    }

    /// Waits until the mailbox of a shard has an input. May return early.
    pub(crate) async fn woken(&self, shard: ShardId) {
        self.handles[shard.index()].wake.notified().await;
    }

    /// Records the progress of a draining shard.
    pub(crate) fn report(&self, shard: ShardId, quiet: bool, empty: bool) {
        let handle = &self.handles[shard.index()];
        handle.quiet.store(quiet, Ordering::Release);
        handle.empty.store(empty, Ordering::Release);
    }
}

impl<H> Host for ShardHandles<H>
where
    H: Handler + 'static,
    H::State: Send,
{
    type Handler = H;

    fn state(&self) -> &ServerState<H::Task> {
        &self.state
    }

    fn post(&self, to: ShardId, input: ShardInput) {
        self.post_input(to, DriverInput::Shared(input));
    }

    fn report_task(&self, conn: ConnId, end: TaskEnd<H>) {
        self.post_input(conn.shard(), DriverInput::TaskEnd(conn, end));
    }

    fn wake_workers(&self, workers: usize) {
        self.worker_wakes.add_permits(workers);
    }

    fn has_reached(&self, goal: DrainGoal) -> bool {
        self.handles.iter().all(|handle| match goal {
            DrainGoal::Quiet => handle.quiet.load(Ordering::Acquire),
            DrainGoal::Empty => handle.empty.load(Ordering::Acquire),
        })
    }

    fn take_socket(
        self: Arc<Self>,
        socket: IncomingSocket,
        (shard, admission): (ShardId, Admission),
    ) -> io::Result<()> {
        if let Err(error) = socket.stream.set_nonblocking(true) {
            self.state.limiter.release(shard, admission);
            return Err(error);
        }
        self.post_input(shard, DriverInput::Incoming(Box::new(socket), admission));
        Ok(())
    }
}
