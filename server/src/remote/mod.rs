//! Path from the application's threads to the shards of a server: commands and sockets.
//!
//! The limit of commands in flight is the core's. How a shard is woken is the adapter's.

mod answer;
mod handle;
#[cfg(test)]
mod loom_waiters;
mod socket;
mod waiters;

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use stentor_core::channels::{RemoteStats, ServerEnd, ShardMessage, ShardSender};
use stentor_core::{Config, ShardId};

pub use handle::{Pending, ServerHandle};
pub use socket::{
    AcceptError, IncomingSocket, ReadSocket, SocketOrigin, UpgradeFields, UpgradeHead,
};
use waiters::PermitWaiters;

/// The server's end of the commands from other threads.
pub struct RemoteEndpoint {
    server_end: ServerEnd,
    link: Arc<HostLink>,
}

impl RemoteEndpoint {
    /// Returns the endpoint of a server that does not serve yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let link = Arc::new(HostLink {
            config: config.clone(),
            host: OnceLock::new(),
            waiters: PermitWaiters::default(),
        });
        Self {
            server_end: ServerEnd::new(config, Router(link.clone())),
            link,
        }
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(self.server_end.sender(), self.link.clone())
    }

    /// Accepts commands and sockets for this server from now on.
    pub(crate) fn begin<N: RemoteHost + 'static>(&self, host: &Arc<N>) {
        let host: Weak<N> = Arc::downgrade(host);
        self.link.host.get_or_init(|| host);
        self.server_end.begin();
    }

    /// Accepts no more commands.
    pub fn end(&self) {
        self.server_end.end();
    }

    /// Returns whether no command is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.server_end.is_idle()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> RemoteStats {
        self.server_end.stats()
    }
}

impl fmt::Debug for RemoteEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteEndpoint")
            .field(&self.server_end)
            .finish()
    }
}

/// What the handles of a server share.
struct HostLink {
    config: Config,
    /// Weak, so that handles which outlive the server keep no shard.
    host: OnceLock<Weak<dyn RemoteHost>>,
    waiters: PermitWaiters,
}

impl HostLink {
    /// Returns the server, unless it does not serve yet or has ended.
    fn host(&self) -> Option<Arc<dyn RemoteHost>> {
        self.host.get().and_then(Weak::upgrade)
    }
}

/// A server that serves, independent of its application. Every [`Host`](crate::host::Host) is one.
pub(crate) trait RemoteHost: Send + Sync {
    /// Sends a message to a shard and wakes the shard.
    fn send(&self, to: ShardId, message: ShardMessage);

    /// Admits a socket and gives it to a shard.
    fn accept(self: Arc<Self>, socket: IncomingSocket) -> Result<(), AcceptError>;
}

/// Sends the messages of the core's handle.
struct Router(Arc<HostLink>);

impl ShardSender for Router {
    fn send(&self, to: ShardId, message: ShardMessage) -> bool {
        self.0.host().map(|host| host.send(to, message)).is_some()
    }

    fn on_permit_released(&self) {
        self.0.waiters.wake_one();
    }

    fn on_state_change(&self) {
        self.0.waiters.wake_all();
    }
}
