//! Owns how a task waits for a place among the commands from outside. What a
//! command is, and how many there may be, is the core's business.

use std::ops::Deref;

use stentor_core::{Handler, Permit, RemoteError, ShardId, ShardMessage};
use stentor_server::{Notifier, ShardRouter, Shards};
use tokio::sync::Notify;

use crate::shard_handle::{Post, ShardHandles};

/// Speaks to the connections of a server from anywhere: from threads as the
/// [`ServerHandle`](stentor_core::ServerHandle) that it is besides, which never waits, and from tasks of
/// whichever runtime as one that does. Of [`Server::remote`](crate::Server::remote).
///
/// ```
/// use stentor_core::{MessageType, RemoteError};
/// use stentor_tokio::ServerHandle;
///
/// /// Tells a room how the shares stand, no faster than they are told.
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

    /// Waits for a place for one command; also until the server serves.
    ///
    /// # Errors
    /// [`Ended`](RemoteError::Ended): there will be none any more.
    pub async fn reserve(&self) -> Result<Permit, RemoteError> {
        loop {
            // Listens before it looks, so that it misses nothing in between.
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

/// The server's end.
pub(crate) type RemoteEndpoint = stentor_server::RemoteEndpoint<ShardNotifier>;

impl<H: Handler> Shards for ShardHandles<H> {
    fn send(&self, to: ShardId, message: ShardMessage) {
        self.post(to, Post::Message(message));
    }
}

/// Wakes callers that wait for a permit, and the drain.
#[derive(Default)]
pub(crate) struct ShardNotifier {
    free: Notify,
    /// A command has ended.
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
