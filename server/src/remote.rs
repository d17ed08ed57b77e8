//! Path of commands from the application's threads to the shards of a server.
//!
//! The limit of commands in flight is the core's. How a caller waits for a permit, and how a shard
//! is woken, is the adapter's.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use stentor_core::channels::{ServerEnd, ShardMessage, ShardSender};
use stentor_core::{Config, ServerHandle, ShardId};

/// The shards of a server, independent of its application.
pub trait Shards: Send + Sync {
    /// Sends a message to a shard and wakes the shard.
    fn send(&self, to: ShardId, message: ShardMessage);
}

/// Wakes callers that wait for a permit.
pub trait Notifier: Send + Sync {
    /// Wakes one of them.
    fn notify_one(&self);
    /// Wakes all of them.
    fn notify_all(&self);
}

/// The server's end of the commands from other threads.
pub struct RemoteEndpoint<N> {
    /// Counts the commands in flight, and accepts none before the server serves.
    pub server_end: ServerEnd,
    router: ShardRouter<N>,
}

impl<N: Notifier + Default + 'static> RemoteEndpoint<N> {
    /// Returns the endpoint of a server that does not serve yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let router = ShardRouter::new(N::default());
        Self {
            server_end: ServerEnd::new(config, router.clone()),
            router,
        }
    }

    /// Returns the parts of a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> (ServerHandle, ShardRouter<N>) {
        (self.server_end.remote(), self.router.clone())
    }

    /// Accepts commands for these shards from now on.
    pub fn begin<S: Shards + 'static>(&self, shards: &Arc<S>) {
        self.router.connect(shards);
        self.server_end.begin();
    }

    /// Returns the notifier of waiting callers.
    #[must_use]
    pub fn notifier(&self) -> &N {
        self.router.notifier()
    }
}

impl<N> fmt::Debug for RemoteEndpoint<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteEndpoint")
            .field(&self.server_end)
            .finish()
    }
}

/// Sends messages to the shards of a server. Messages are refused before the server has shards, and
/// after they have ended.
pub struct ShardRouter<N>(Arc<RouterInner<N>>);

struct RouterInner<N> {
    /// Weak, so that handles which outlive the server keep no shard.
    shards: OnceLock<Weak<dyn Shards>>,
    notifier: N,
}

impl<N: Notifier> ShardRouter<N> {
    /// Returns a router without shards.
    pub fn new(notifier: N) -> Self {
        Self(Arc::new(RouterInner {
            shards: OnceLock::new(),
            notifier,
        }))
    }

    /// Sets the shards. Further calls have no effect.
    pub fn connect<S: Shards + 'static>(&self, shards: &Arc<S>) {
        let shards: Weak<S> = Arc::downgrade(shards);
        self.0.shards.get_or_init(|| shards);
    }

    /// Returns the notifier of waiting callers.
    pub fn notifier(&self) -> &N {
        &self.0.notifier
    }
}

impl<N: Notifier> ShardSender for ShardRouter<N> {
    fn send(&self, to: ShardId, message: ShardMessage) -> bool {
        let shards = self.0.shards.get().and_then(Weak::upgrade);
        match shards {
            Some(shards) => {
                shards.send(to, message);
                true
            }
            None => false,
        }
    }

    fn on_permit_released(&self) {
        self.0.notifier.notify_one();
    }

    fn on_state_change(&self) {
        self.0.notifier.notify_all();
    }
}

impl<N> Clone for ShardRouter<N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<N> fmt::Debug for ShardRouter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardRouter").finish_non_exhaustive()
    }
}
