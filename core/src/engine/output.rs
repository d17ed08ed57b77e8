//! Outputs of a shard: requests to its adapter, and events. Does not contain their order, which is
//! in `shard::output`.

use crate::channels::message::ShardMessage;
use crate::id::{ConnId, ShardId};
use crate::proto::http::{HandshakeError, PageId};
use crate::proto::proxy::ProxyError;
use crate::proto::ws::PeerError;
use crate::session::app_types::AppTypes;
use crate::stats::CloseCause;
use crate::tasks::TaskOptions;
use crate::time::Timestamp;

/// Something for the adapter to do. A connection that is named is there until
/// its [`Disconnect`](Self::Disconnect).
pub enum Output<A: AppTypes> {
    /// Write what waits: [`Shard::poll_transmit`](crate::Shard::poll_transmit), a write,
    /// [`Shard::handle_transmitted`](crate::Shard::handle_transmitted).
    Flush(ConnId),
    /// Stop reading the socket.
    StopReading(ConnId),
    /// Read the socket again; there may be bytes already.
    StartReading(ConnId),
    /// Carry a message to another shard.
    Send(ShardId, ShardMessage),
    /// Give a task to the dispatcher. Its end comes back through
    /// [`Shard::handle_task`](crate::Shard::handle_task).
    Submit(ConnId, A::Task, TaskOptions),
    /// Answer with a page that the configuration leaves to the adapter
    /// ([`Page::rendered`](crate::config::Page::rendered)), through
    /// [`Shard::handle_answer`](crate::Shard::handle_answer).
    Page {
        /// Who asked.
        id: ConnId,
        /// The page.
        page: PageId,
    },
    /// Let the kernel hold at most about this much of a connection that it cannot send yet
    /// (`TCP_NOTSENT_LOWAT`). New sockets begin with
    /// [`Config::unsent_bytes`](crate::Config::unsent_bytes). An adapter that cannot tell the
    /// kernel ignores it.
    LimitUnsent {
        /// Whose socket.
        id: ConnId,
        /// The limit in bytes, between `unsent_bytes` and `unsent_bytes_max` of the
        /// configuration.
        bytes: u32,
    },
    /// Shut the socket's write side.
    Shut(ConnId),
    /// Close the socket. The slot is free from here on.
    Disconnect(ConnId),
    /// Nothing more is to be done before something is handled, or before this time: then
    /// [`Shard::handle_timeout_with`](crate::Shard::handle_timeout_with), which may turn out to be
    /// for nothing. It is the last output of a turn, and the only one after which a driver may
    /// sleep.
    Timeout(Option<(Timestamp, Reason)>),
    /// End the process: the application [asked](crate::app::AfterPanic::Abort) for that after a panic,
    /// or the shard itself panicked while a callback ran.
    Abort,
    /// Something happened that a log may want.
    Event(Event),
}

impl<A: AppTypes> Output<A> {
    /// Returns the output unless it is the last of its turn.
    pub fn work(self) -> Option<Self> {
        match self {
            Self::Timeout(_) => None,
            work => Some(work),
        }
    }
}

impl<A: AppTypes> core::fmt::Debug for Output<A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Flush(id) => write!(f, "Flush({id})"),
            Self::StopReading(id) => write!(f, "StopReading({id})"),
            Self::StartReading(id) => write!(f, "StartReading({id})"),
            Self::Send(shard, message) => write!(f, "Send({}, {message:?})", shard.0),
            Self::Submit(id, ..) => write!(f, "Submit({id})"),
            Self::Page { id, page } => write!(f, "Page({id}, {})", page.0),
            Self::LimitUnsent { id, bytes } => write!(f, "LimitUnsent({id}, {bytes})"),
            Self::Shut(id) => write!(f, "Shut({id})"),
            Self::Disconnect(id) => write!(f, "Disconnect({id})"),
            Self::Timeout(next) => write!(f, "Timeout({next:?})"),
            Self::Abort => f.write_str("Abort"),
            Self::Event(event) => write!(f, "{event:?}"),
        }
    }
}

/// Why a shard wants to be called at a certain time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// A connection's timers are to be looked at.
    Connection,
    /// A timer that the application has set is due.
    Application,
    /// Writes take long on which input waits; it need not wait any longer.
    Press,
    /// So much was done at a stretch that others were to have their turn; it can
    /// go on at once.
    Turn,
    /// The next connection is to be closed.
    Drain,
    /// A channel keeps what was published, or its position, no longer.
    Stream,
}

/// Something that happened. Everything here is counted too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection was upgraded.
    Opened(ConnId),
    /// A request was refused.
    Refused(ConnId, HandshakeError),
    /// A connection that must begin with a header of the PROXY protocol was closed.
    ProxyRefused(ConnId, ProxyError),
    /// A peer broke the protocol.
    Failed(ConnId, PeerError),
    /// An upgraded connection ended.
    Closed(ConnId, CloseCause),
    /// A callback for a connection panicked.
    Panicked(ConnId),
    /// A connection has ended, and is one of those that are [logged](crate::Config::access_sample).
    /// [`Shard::take_sampled`](crate::Shard::take_sampled) says what is known of it.
    Sampled(ConnId),
}
