//! A running server, as its life cycle, its handles and its admin pages see it: the state beside its
//! shards, and what an adapter does for them.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stentor_core::app::Isolation;
#[cfg(feature = "program")]
use stentor_core::channels::SavedStreams;
use stentor_core::channels::ShardMessage;
use stentor_core::node::{ConnectionLimiter, DrainGoal, ShardOrder};
use stentor_core::proto::transport::Transport;
use stentor_core::shard::{AddressLimiter, Admission};
use stentor_core::tasks::Wakeups;
use stentor_core::{Config, ConnId, Handler, Shard, ShardId, TaskEnd, Timestamp};

use crate::accept_pace::AcceptPace;
use crate::answer::PendingAnswer;
use crate::counters::{ServerCounters, Turns};
#[cfg(feature = "program")]
use crate::inspect::{PendingQuery, QueryLimits};
use crate::remote::{AcceptError, IncomingSocket, RemoteEndpoint, RemoteHost, SocketOrigin};
use crate::socket::limit_unsent;
use crate::{Clock, LimitLog, ServerOptions, SharedDispatcher};

/// The shards and workers of a server, with the wake-ups of their adapter.
pub trait Host: Send + Sync + 'static {
    /// The application.
    type Handler: Handler + 'static;

    /// Returns the state beside the shards.
    fn state(&self) -> &ServerState<TaskOf<Self>>;

    /// Gives an input to a shard and wakes it. Does not wait for the shard, and drops the input if the
    /// shard has ended.
    fn post(&self, to: ShardId, input: ShardInput);

    /// Gives the end of a task to the shard of its connection. May wait for the shard.
    fn report_task(&self, conn: ConnId, end: TaskEnd<Self::Handler>);

    /// Wakes this many sleeping workers.
    fn wake_workers(&self, workers: usize);

    /// Returns whether all shards have reached a goal of the drain. Does not wait for a shard.
    fn has_reached(&self, goal: DrainGoal) -> bool;

    /// Gives a socket to a shard. It is admitted; if this fails, it is released.
    ///
    /// # Errors
    /// Returns an error if the system has no thread or descriptor for it.
    fn take_socket(
        self: Arc<Self>,
        socket: IncomingSocket,
        place: (ShardId, Admission),
    ) -> io::Result<()>;

    /// Performs the wake-ups that a call of the dispatcher returned.
    fn perform(&self, wakeups: Wakeups) {
        if wakeups.workers > 0 {
            self.wake_workers(wakeups.workers);
        }
        if wakeups.timer {
            self.state().dispatcher.wake_timer();
        }
    }

    /// Lets the workers and the timer end once there are no tasks left.
    fn drain_tasks(&self) {
        let dispatcher = &self.state().dispatcher;
        dispatcher.drain();
        self.wake_workers(dispatcher.workers().len());
    }
}

impl<N: Host> RemoteHost for N {
    fn send(&self, to: ShardId, message: ShardMessage) {
        self.post(to, ShardInput::Message(message));
    }

    fn accept(self: Arc<Self>, socket: IncomingSocket) -> Result<(), AcceptError> {
        let state = self.state();
        let (shard, admission) = state.admit().ok_or(AcceptError::Full)?;
        // There is nothing to say to a client that is upgraded but has no place.
        if socket.arrival.origin == SocketOrigin::Answered && admission == Admission::Surplus {
            state.limiter.release(shard, admission);
            return Err(AcceptError::Full);
        }
        // Fails only if the peer has gone, which the next read reports.
        let _ = socket.stream.set_nodelay(true);
        limit_unsent(&socket.stream, state.unsent_bytes);
        self.take_socket(socket, (shard, admission))
            .map_err(AcceptError::System)
    }
}

/// The tasks of a server.
pub type TaskOf<N> = <<N as Host>::Handler as Handler>::Task;

/// An input for a shard that any thread may give.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all inputs are messages, and a box would be an allocation for each"
)]
pub enum ShardInput {
    /// A message of another shard, or a command.
    Message(ShardMessage),
    /// The response to a request for the metrics.
    Metrics {
        /// The connection.
        id: ConnId,
        /// The page.
        text: Arc<str>,
    },
    /// An admin query.
    #[cfg(feature = "program")]
    Query(PendingQuery),
    /// The streams of the server before.
    #[cfg(feature = "program")]
    Restore {
        /// The streams of all shards.
        streams: Arc<SavedStreams>,
        /// The time since they were saved.
        elapsed: Duration,
    },
    /// A step of the shutdown.
    Order(ShardOrder),
}

impl ShardInput {
    /// Gives the input to the shard. The answer to a query is returned, to be sent between two turns:
    /// on a busy machine, the thread that waits for it may take this core at once.
    pub fn apply<H: Handler, I: Isolation>(
        self,
        now: Timestamp,
        shard: &mut Shard<H, I>,
        turns: &Turns,
    ) -> Option<PendingAnswer> {
        #[cfg(not(feature = "program"))]
        let _ = turns;
        match self {
            Self::Message(message) => shard.handle_message(now, message),
            Self::Metrics { id, text } => {
                shard.handle_answer(now, id, 200, METRICS_TYPE, text.as_bytes());
            }
            Self::Order(order) => order.apply(now, shard),
            #[cfg(feature = "program")]
            Self::Restore { streams, elapsed } => shard.restore_streams(now, &streams, elapsed),
            #[cfg(feature = "program")]
            Self::Query(query) => return Some(query.answer(now, shard, turns)),
        }
        None
    }
}

/// A socket that a listener has accepted, apart from the socket.
#[derive(Debug)]
pub struct Arrival {
    /// The address of its peer, unless that is on a unix socket.
    pub peer: Option<SocketAddr>,
    /// Whether it begins with a header of the PROXY protocol.
    pub has_proxy_header: bool,
    /// What its bytes go through.
    pub transport: Option<Box<dyn Transport>>,
}

impl Arrival {
    /// Gives the socket to a shard, and returns the name of the connection.
    pub fn enter<H: Handler, I: Isolation>(
        self,
        now: Timestamp,
        admission: Admission,
        shard: &mut Shard<H, I>,
    ) -> ConnId {
        let id = match self.peer {
            Some(peer) => shard.accept_from(now, admission, peer),
            None => shard.accept(now, admission),
        };
        if let Some(transport) = self.transport {
            shard.set_transport(id, transport);
        }
        if self.has_proxy_header {
            shard.expect_proxy_header(now, id);
        }
        id
    }
}

/// The `Content-Type` of the metrics page.
pub(crate) const METRICS_TYPE: &str = "text/plain; version=0.0.4";

/// The state of a server beside its shards.
#[derive(Debug)]
pub struct ServerState<T> {
    /// The dispatcher of tasks.
    pub dispatcher: SharedDispatcher<T>,
    /// The limit of connections.
    pub limiter: Arc<ConnectionLimiter>,
    /// The connections and sessions of each address, for the shards to share.
    pub addresses: AddressLimiter,
    /// The pace of new connections after a restart.
    pub(crate) pace: AcceptPace,
    /// The counters of listeners and admin pages.
    pub counters: ServerCounters,
    /// The end of the handles.
    pub remote: Arc<RemoteEndpoint>,
    /// The limit of unsent bytes of a new socket.
    pub(crate) unsent_bytes: u32,
    #[cfg(feature = "program")]
    queries: QueryLimits,
    /// Held while a socket is admitted, since the limit is exact for one thread at a time.
    admitting: Mutex<LimitLog>,
    scrapes: Sender<Option<ConnId>>,
}

impl<T> ServerState<T> {
    /// Returns the state of a server without connections, and the end at which requests for the
    /// metrics arrive.
    #[must_use]
    pub fn new(
        config: &Config,
        options: &ServerOptions,
        remote: Arc<RemoteEndpoint>,
    ) -> (Self, Receiver<Option<ConnId>>) {
        let (scrapes, requests) = channel();
        let workers = options.workers.clamp(1, ServerOptions::MAX_WORKERS) as u16;
        let limiter = ConnectionLimiter::new(config.shards(), options.max_connections);
        let state = Self {
            dispatcher: SharedDispatcher::new(config, workers, options.task_queue),
            #[cfg(feature = "program")]
            queries: QueryLimits::new(config.shards()),
            limiter: Arc::new(limiter),
            addresses: AddressLimiter::new(config),
            pace: AcceptPace::new(config.shutdown_rate()),
            counters: ServerCounters::new(),
            remote,
            unsent_bytes: config.unsent_bytes() as u32,
            admitting: Mutex::new(LimitLog::new()),
            scrapes,
        };
        (state, requests)
    }

    /// Returns the clock of the server.
    pub const fn clock(&self) -> Clock {
        self.dispatcher.clock()
    }

    /// Returns how long a connection that has just been accepted has to wait before it is admitted, if
    /// it has to: those that come back after a restart come one after the other.
    pub fn accept_delay(&self) -> Option<Duration> {
        let delay = self.pace.delay(self.clock().now())?;
        self.counters.count_accept_delay();
        Some(delay)
    }

    /// Chooses the shard for a new socket. Returns `None` if it must be closed.
    pub fn admit(&self) -> Option<(ShardId, Admission)> {
        let mut log = self
            .admitting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let place = self.limiter.admit()?;
        if place.1 == Admission::Surplus {
            log.write(self.clock().now(), self.limiter.limit());
        }
        Some(place)
    }

    /// Requests the metrics for a connection.
    pub fn scrape(&self, id: ConnId) {
        // The receiver is gone only when the server has ended.
        let _ = self.scrapes.send(Some(id));
    }

    /// Ends the thread that answers requests for the metrics.
    #[cfg(feature = "program")]
    pub(crate) fn end_scrapes(&self) {
        let _ = self.scrapes.send(None);
    }

    #[cfg(feature = "program")]
    pub(crate) const fn queries(&self) -> &QueryLimits {
        &self.queries
    }
}
