//! Blocking wait for a permit to send a command from an application thread. Commands and their
//! limit are defined in `stentor_core`.

use std::ops::Deref;
use std::sync::PoisonError;

use stentor_core::channels::{Permit, RemoteError, ShardMessage};
use stentor_core::{Handler, ShardId};
use stentor_server::{Notifier, ShardRouter, Shards};

use crate::locked_shard::{LockedShards, ShardInput};
use crate::primitive::{Condvar, Mutex, MutexGuard};
use crate::stream::Stream;

/// Sends commands to the connections of a server from any thread. Dereferences to
/// [`ServerHandle`](stentor_core::ServerHandle), whose methods never wait;
/// [`reserve`](Self::reserve) waits. Returned by [`Server::remote`](crate::Server::remote).
///
/// ```
/// use stentor_core::MessageType;
/// use stentor_core::channels::RemoteError;
/// use stentor_std::ServerHandle;
///
/// /// Publishes prices to a room, no faster than they are delivered.
/// fn tell(remote: &ServerHandle, prices: &[u32]) -> Result<(), RemoteError> {
///     for price in prices {
///         let place = remote.reserve()?;
///         place.publish(b"shares", MessageType::Text, 10, price.to_string())?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandle {
    remote: stentor_core::ServerHandle,
    router: ShardRouter<ShardNotifier>,
}

impl ServerHandle {
    pub(crate) fn of(outside: &RemoteEndpoint) -> Self {
        let (remote, router) = outside.handle();
        Self { remote, router }
    }

    /// Waits until the server serves and a permit for one command is free. Must not be called by a
    /// handler: that would keep the shard from releasing permits.
    ///
    /// # Errors
    /// Returns [`RemoteError::Ended`] if the server has stopped issuing permits.
    pub fn reserve(&self) -> Result<Permit, RemoteError> {
        let mut seen = self.remote.try_reserve();
        let chime = self.router.notifier();
        let mut listening = None;
        while let Err(RemoteError::Full | RemoteError::NotYet) = seen {
            // Checks once more under the lock, so that no notification in between is missed.
            listening = Some(match listening {
                None => chime.lock(),
                Some(listening) => chime.wait(listening),
            });
            seen = self.remote.try_reserve();
        }
        seen
    }
}

impl Deref for ServerHandle {
    type Target = stentor_core::ServerHandle;

    fn deref(&self) -> &Self::Target {
        &self.remote
    }
}

/// The server's end of the command path.
pub(crate) type RemoteEndpoint = stentor_server::RemoteEndpoint<ShardNotifier>;

impl<H, S> Shards for LockedShards<H, S>
where
    H: Handler + Send,
    H::State: Send,
    S: Stream,
{
    fn send(&self, to: ShardId, message: ShardMessage) {
        self.post(to, ShardInput::Message(message));
    }
}

/// Wakes callers that wait for a permit.
#[derive(Default)]
pub(crate) struct ShardNotifier {
    listening: Mutex<()>,
    free: Condvar,
}

impl ShardNotifier {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, listening: MutexGuard<'a, ()>) -> MutexGuard<'a, ()> {
        self.free
            .wait(listening)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notifier for ShardNotifier {
    fn notify_one(&self) {
        // A caller that has checked and does not wait yet holds the lock.
        drop(self.lock());
        self.free.notify_one();
    }

    fn notify_all(&self) {
        drop(self.lock());
        self.free.notify_all();
    }
}
