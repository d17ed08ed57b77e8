//! Owns what a shard's lock protects of each connection: whether its threads
//! may read and write, and how to wake them. The sockets themselves are read
//! and written elsewhere, outside that lock.

use std::net::Shutdown;
use std::sync::Arc;

use stentor_core::{Admission, ConnId, Direction, ShardId};
use stentor_server::ConnectionLimiter;

use crate::primitive::thread::Thread;
use crate::stream::Stream;

/// A socket that counts among those of its shard until the last of its threads lets go of it.
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

/// A connection, as its shard's turns see it.
pub(crate) struct Link<S: Stream> {
    id: ConnId,
    pub(crate) socket: Arc<Socket<S>>,
    pub(crate) reader: Option<Thread>,
    pub(crate) writer: Option<Thread>,
    /// Whether the shard wants its bytes.
    pub(crate) reading: bool,
    /// Whether the shard asked for a flush that nobody has seen to yet.
    pub(crate) flush: bool,
    /// Whether a thread has taken bytes and not said yet how many went out.
    pub(crate) writing: bool,
    /// Whether the socket took less than it was given.
    pub(crate) full: bool,
}

/// The connections of a shard, under their slots.
pub(crate) struct Links<S: Stream> {
    links: Vec<Option<Link<S>>>,
}

impl<S: Stream> Default for Links<S> {
    fn default() -> Self {
        Self { links: Vec::new() }
    }
}

impl<S: Stream> Links<S> {
    pub(crate) fn insert(&mut self, id: ConnId, socket: Arc<Socket<S>>) {
        let slot = id.slot();
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some(Link {
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

    pub(crate) fn find(&mut self, id: ConnId) -> Option<&mut Link<S>> {
        self.links
            .get_mut(id.slot())?
            .as_mut()
            .filter(|link| link.id == id)
    }

    /// Whether a socket is ready now; asked only where a time-out is over.
    pub(crate) fn is_ready(&self, id: ConnId, direction: Direction) -> bool {
        let link = self.links.get(id.slot()).and_then(Option::as_ref);
        link.is_some_and(|link| link.id == id && link.socket.stream.is_ready(direction))
    }

    /// Lets go of a connection, which is then to be ended.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Link<S>> {
        self.find(id)?;
        self.links[id.slot()].take()
    }

    /// Lets go of all connections.
    pub(crate) fn remove_all(&mut self) -> impl Iterator<Item = Link<S>> + use<'_, S> {
        self.links.drain(..).flatten()
    }
}

impl<S: Stream> Link<S> {
    /// Ends both directions of the socket, and with them the threads.
    pub(crate) fn end(self) {
        self.socket.stream.shut(Shutdown::Both);
        for thread in self.reader.into_iter().chain(self.writer) {
            thread.unpark();
        }
    }
}
