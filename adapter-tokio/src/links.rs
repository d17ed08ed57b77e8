//! Owns the sockets of one shard, under the slots of their connections.
//!
//! They are read and written by system calls of rustix: those of the C library can
//! be cancelled, and in a process of several threads each pays for that.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use stentor_core::{Admission, Chunks, ConnId, Direction};
use stentor_server::socket;

/// A socket, and what the adapter must know of it.
pub(crate) struct Link {
    stream: TcpStream,
    pub(crate) id: ConnId,
    pub(crate) admission: Admission,
    /// Whether the shard wants its bytes.
    pub(crate) reading: bool,
    /// Whether it stands in the list of those to be read again.
    pub(crate) again: bool,
    /// Whether the peer has shut its side or the socket has failed: it is read to its end.
    pub(crate) hung_up: bool,
    /// Whether it is registered for the event that it takes bytes again.
    reports_room: bool,
}

/// The sockets of a shard.
#[derive(Default)]
pub(crate) struct Links {
    links: Vec<Option<Link>>,
    /// Those of a shard that has failed, which are still to be closed.
    failed: Vec<Option<Link>>,
}

impl Links {
    pub(crate) fn insert(
        &mut self,
        registry: &Registry,
        mut stream: TcpStream,
        id: ConnId,
        admission: Admission,
    ) -> io::Result<()> {
        let slot = id.slot();
        // Edge-triggered. A new socket has room for what is written first: it is asked when it
        // has room again only once a write was cut short, so most cost no further call and are
        // not reported as writable with each message that comes.
        registry.register(&mut stream, Token(slot), Interest::READABLE)?;
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some(Link {
            stream,
            id,
            admission,
            reading: true,
            again: false,
            hung_up: false,
            reports_room: false,
        });
        Ok(())
    }

    pub(crate) fn get(&mut self, slot: usize) -> Option<&mut Link> {
        self.links.get_mut(slot)?.as_mut()
    }

    pub(crate) fn find(&mut self, id: ConnId) -> Option<&mut Link> {
        self.get(id.slot()).filter(|link| link.id == id)
    }

    /// Whether a socket is ready now; asked only where a time-out is over.
    pub(crate) fn is_ready(&self, id: ConnId, direction: Direction) -> bool {
        let link = self.links.get(id.slot()).and_then(Option::as_ref);
        link.is_some_and(|link| {
            link.id == id && stentor_server::socket::is_ready(&link.stream, direction)
        })
    }

    /// Closes the socket.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Admission> {
        self.find(id)?;
        // The kernel forgets a closed descriptor's registration by itself.
        self.links[id.slot()].take().map(|link| link.admission)
    }

    /// Takes every socket away from its connection, since the shard has failed. They are
    /// closed by [`close_failed`](Self::close_failed), some at a time: each is a system call.
    /// Until then a new connection in the same slot may be told that it is ready when it is
    /// not, which costs a call for nothing.
    pub(crate) fn fail_all(&mut self) {
        self.failed.append(&mut self.links);
    }

    /// Closes so many of the sockets of a shard that has failed.
    pub(crate) fn close_failed(
        &mut self,
        most: usize,
    ) -> impl Iterator<Item = Admission> + use<'_> {
        let from = self.failed.len() - most.min(self.failed.len());
        self.failed
            .drain(from..)
            .flatten()
            .map(|link| link.admission)
    }

    /// Whether some of them are still to be closed.
    pub(crate) const fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }
}

impl Link {
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, n) = retry_on_intr(|| recv(&self.stream, &mut *buffer, RecvFlags::empty()))?;
        Ok(n)
    }

    /// Writes as much as the socket takes: zero if it takes nothing now.
    pub(crate) fn write(&mut self, chunks: &Chunks<'_>) -> io::Result<usize> {
        let written = match chunks.as_slices() {
            [] => return Ok(0),
            [one] => retry_on_intr(|| send(&self.stream, one, WITHOUT_SIGNAL)),
            many => {
                let mut slices = [IoSlice::new(&[]); Chunks::MAX];
                for (slice, bytes) in slices.iter_mut().zip(many) {
                    *slice = IoSlice::new(bytes);
                }
                let (slices, nothing) =
                    (&slices[..many.len()], &mut SendAncillaryBuffer::default());
                retry_on_intr(|| sendmsg(&self.stream, slices, nothing, WITHOUT_SIGNAL))
            }
        };
        match written {
            Err(Errno::AGAIN) => Ok(0),
            other => Ok(other?),
        }
    }

    /// Asks for an event when the socket takes bytes again; if it does already, that is an
    /// event too. From then on every event says whether it does.
    pub(crate) fn report_room(&mut self, registry: &Registry) -> io::Result<()> {
        if !self.reports_room {
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.reregister(&mut self.stream, Token(self.id.slot()), both)?;
            self.reports_room = true;
        }
        Ok(())
    }

    pub(crate) fn limit_unsent(&self, bytes: u32) {
        socket::limit_unsent(&self.stream, bytes);
    }

    pub(crate) fn shut(&self) {
        // Fails only if the peer is gone already, which a read will tell.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// A write to a peer that is gone is an error and nothing else, also in a program that
/// has not turned SIGPIPE off, as Rust's own do; Apple knows this for sockets only.
const WITHOUT_SIGNAL: SendFlags = {
    #[cfg(not(target_vendor = "apple"))]
    let flags = SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    let flags = SendFlags::empty();
    flags
};
