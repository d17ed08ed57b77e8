//! Per-connection state that the lock of a shard protects: whether its threads may read and write,
//! and how to wake them. The sockets themselves are read and written in other modules, outside that
//! lock.

use std::net::Shutdown;
use std::sync::Arc;

use stentor_core::node::ConnectionLimiter;
use stentor_core::shard::{Admission, Direction};
use stentor_core::{ConnId, ShardId};

use crate::primitive::thread::Thread;
use crate::stream::Stream;

/// A socket that counts against the connection limit of its shard until the last of its threads
/// drops it.
#[derive(Debug)]
pub(crate) struct Socket<S: Stream> {
    pub(crate) stream: S,
    shard: ShardId,
    admission: Admission,
    limiter: Arc<ConnectionLimiter>,
}

impl<S: Stream> Socket<S> {
    pub(crate) const fn new(
        stream: S,
        shard: ShardId,
        admission: Admission,
        limiter: Arc<ConnectionLimiter>,
    ) -> Self {
        Self {
            stream,
            shard,
            admission,
            limiter,
        }
    }
}

impl<S: Stream> Drop for Socket<S> {
    fn drop(&mut self) {
        self.limiter.release(self.shard, self.admission);
    }
}

/// State of a connection that the turns of its shard use.
pub(crate) struct ShardSocket<S: Stream> {
    id: ConnId,
    pub(crate) socket: Arc<Socket<S>>,
    pub(crate) reader: Option<Thread>,
    pub(crate) writer: Option<Thread>,
    /// Whether the shard accepts bytes from it.
    pub(crate) reading: bool,
    /// Whether the shard has requested a flush that no thread has started yet.
    pub(crate) flush: bool,
    /// Whether a thread has taken bytes and not yet reported how many it sent.
    pub(crate) writing: bool,
    /// Whether the socket accepted fewer bytes than it was given.
    pub(crate) full: bool,
}

/// The connections of a shard, indexed by their slots.
pub(crate) struct ShardSockets<S: Stream> {
    links: Vec<Option<ShardSocket<S>>>,
}

impl<S: Stream> Default for ShardSockets<S> {
    fn default() -> Self {
        Self { links: Vec::new() }
    }
}

impl<S: Stream> ShardSockets<S> {
    pub(crate) fn insert(&mut self, id: ConnId, socket: Arc<Socket<S>>) {
        let slot = id.slot();
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some(ShardSocket {
            id,
            socket,
            reader: None,
            writer: None,
            reading: true,
            flush: false,
            writing: false,
            full: false,
        });
    }

    pub(crate) fn find(&mut self, id: ConnId) -> Option<&mut ShardSocket<S>> {
        self.links
            .get_mut(id.slot())?
            .as_mut()
            .filter(|link| link.id == id)
    }

    /// Returns whether a socket is ready now. Called only when a timeout has expired.
    pub(crate) fn is_ready(&self, id: ConnId, direction: Direction) -> bool {
        let link = self.links.get(id.slot()).and_then(Option::as_ref);
        link.is_some_and(|link| link.id == id && link.socket.stream.is_ready(direction))
    }

    /// Removes a connection and returns it; the caller must end it.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<ShardSocket<S>> {
        self.find(id)?;
        self.links[id.slot()].take()
    }
}

impl<S: Stream> ShardSocket<S> {
    /// Shuts down both directions of the socket, which ends its threads.
    pub(crate) fn end(self) {
        self.socket.stream.shut(Shutdown::Both);
        for thread in self.reader.into_iter().chain(self.writer) {
            thread.unpark();
        }
    }
}
