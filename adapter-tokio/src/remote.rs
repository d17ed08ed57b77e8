//! Asynchronous wait for a permit to send a command from an application task. Commands and their
//! limit are defined in `stentor_core`.

use std::ops::Deref;

use stentor_core::channels::{Permit, RemoteError, ShardMessage};
use stentor_core::{Handler, ShardId};
use stentor_server::{Notifier, ShardRouter, Shards};
use tokio::sync::Notify;

use crate::shard_handle::{ShardHandles, ShardInput};

/// Sends commands to the connections of a server from any thread or task. Dereferences to
/// [`ServerHandle`](stentor_core::ServerHandle), whose methods never wait;
/// [`reserve`](Self::reserve) waits and can be called on any runtime. Returned by
/// [`Server::remote`](crate::Server::remote).
///
/// ```
/// use stentor_core::MessageType;
/// use stentor_core::channels::RemoteError;
/// use stentor_tokio::ServerHandle;
///
/// /// Publishes prices to a room, no faster than they are delivered.
/// async fn tell(remote: ServerHandle, prices: Vec<u32>) -> Result<(), RemoteError> {
///     for price in prices {
///         let place = remote.reserve().await?;
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

    /// Waits until the server serves and a permit for one command is free.
    ///
    /// # Errors
    /// Returns [`RemoteError::Ended`] if the server has stopped issuing permits.
    pub async fn reserve(&self) -> Result<Permit, RemoteError> {
        loop {
            // Registers before it checks, so that no notification in between is missed.
            let free = self.router.notifier().free.notified();
            match self.remote.try_reserve() {
                Ok(place) => return Ok(place),
                Err(RemoteError::Ended) => return Err(RemoteError::Ended),
                Err(_) => free.await,
            }
        }
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

impl<H: Handler> Shards for ShardHandles<H> {
    fn send(&self, to: ShardId, message: ShardMessage) {
        self.post(to, ShardInput::Message(message));
    }
}

/// Wakes callers that wait for a permit, and the drain.
#[derive(Default)]
pub(crate) struct ShardNotifier {
    free: Notify,
    /// Notified when a command has ended.
    pub(crate) over: Notify,
}

impl Notifier for ShardNotifier {
    fn notify_one(&self) {
        self.free.notify_one();
        self.over.notify_one();
    }

    fn notify_all(&self) {
        self.free.notify_waiters();
    }
}
