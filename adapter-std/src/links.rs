//! Owns what a shard's lock protects of each connection: whether its threads
//! may read and write, and how to wake them. The sockets themselves are read
//! and written elsewhere, outside that lock.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::Thread;

use stentor_cli::Census;
use stentor_core::{Admission, ConnId, ShardId};

/// A socket that counts among those of its shard until the last of its threads lets go of it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    shard: ShardId,
    admission: Admission,
    census: Arc<Census>,
}

impl Socket {
    pub(crate) const fn new(
        stream: TcpStream,
        shard: ShardId,
        admission: Admission,
        census: Arc<Census>,
    ) -> Self {
        Self {
            stream,
            shard,
            admission,
            census,
        }
    }

    pub(crate) fn shut(&self) {
        // Fails only if the peer is gone already, which a read will tell.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.census.forget(self.shard, self.admission);
    }
}

/// A connection, as its shard's turns see it.
pub(crate) struct Link {
    id: ConnId,
    pub(crate) socket: Arc<Socket>,
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
#[derive(Default)]
pub(crate) struct Links {
    links: Vec<Option<Link>>,
}

impl Links {
    pub(crate) fn insert(&mut self, id: ConnId, socket: Arc<Socket>) {
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

    pub(crate) fn find(&mut self, id: ConnId) -> Option<&mut Link> {
        self.links
            .get_mut(id.slot())?
            .as_mut()
            .filter(|link| link.id == id)
    }

    /// Lets go of a connection, which is then to be ended.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Link> {
        self.find(id)?;
        self.links[id.slot()].take()
    }

    /// Lets go of all connections.
    pub(crate) fn remove_all(&mut self) -> impl Iterator<Item = Link> + use<'_> {
        self.links.drain(..).flatten()
    }
}

impl Link {
    /// Ends both directions of the socket, and with them the threads.
    pub(crate) fn end(self) {
        // Fails only if the peer has ended it already.
        let _ = self.socket.stream.shutdown(Shutdown::Both);
        for thread in self.reader.into_iter().chain(self.writer) {
            thread.unpark();
        }
    }
}
