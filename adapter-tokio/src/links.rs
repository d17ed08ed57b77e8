//! Sockets of one shard, indexed by the slots of their connections.
//!
//! They are read and written with the system calls of rustix: those of the C library are
//! cancellation points, which costs time on each call in a process with several threads.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use stentor_core::ConnId;
use stentor_core::delivery::Chunks;
use stentor_core::shard::{Admission, Direction};
use stentor_server::socket;

/// A socket and its state in the adapter.
pub(crate) struct ShardSocket {
    stream: TcpStream,
    pub(crate) id: ConnId,
    pub(crate) admission: Admission,
    /// Whether the shard accepts bytes from it.
    pub(crate) reading: bool,
    /// Whether it is in the list of sockets to be read again.
    pub(crate) again: bool,
    /// Whether the peer has shut down its side or the socket has failed: it is read to its end.
    pub(crate) hung_up: bool,
    /// Whether it is registered for writability events.
    reports_room: bool,
}

/// The sockets of a shard.
#[derive(Default)]
pub(crate) struct ShardSockets {
    links: Vec<Option<ShardSocket>>,
}

impl ShardSockets {
    pub(crate) fn insert(
        &mut self,
        registry: &Registry,
        mut stream: TcpStream,
        id: ConnId,
        admission: Admission,
    ) -> io::Result<()> {
        let slot = id.slot();
        // Edge-triggered. A new socket has room for the first bytes. It is registered for
        // writability only after a short write, so most sockets cost no further call and are not
        // reported as writable with each message that arrives.
        registry.register(&mut stream, Token(slot), Interest::READABLE)?;
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some(ShardSocket {
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

    pub(crate) fn get(&mut self, slot: usize) -> Option<&mut ShardSocket> {
        self.links.get_mut(slot)?.as_mut()
    }

    pub(crate) fn find(&mut self, id: ConnId) -> Option<&mut ShardSocket> {
        self.get(id.slot()).filter(|link| link.id == id)
    }

    /// Returns whether a socket is ready now. Called only when a timeout has expired.
    pub(crate) fn is_ready(&self, id: ConnId, direction: Direction) -> bool {
        let link = self.links.get(id.slot()).and_then(Option::as_ref);
        link.is_some_and(|link| {
            link.id == id && stentor_server::socket::is_ready(&link.stream, direction)
        })
    }

    /// Closes a socket and returns its admission.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Admission> {
        self.find(id)?;
        // The kernel removes the registration of a closed descriptor by itself.
        self.links[id.slot()].take().map(|link| link.admission)
    }
}

impl ShardSocket {
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, n) = retry_on_intr(|| recv(&self.stream, &mut *buffer, RecvFlags::empty()))?;
        Ok(n)
    }

    /// Writes as much as the socket accepts. Returns zero if it accepts nothing now.
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

    /// Requests an event for when the socket accepts bytes again; if it does already, that is an
    /// event too. From then on, every event reports whether it does.
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
        // Fails only if the peer is gone already, which a read will report.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// Makes a write to a closed connection return an error and raise no signal, also in a program
/// that, unlike Rust's own, does not ignore SIGPIPE. Apple systems support this as a socket option
/// only.
const WITHOUT_SIGNAL: SendFlags = {
    #[cfg(not(target_vendor = "apple"))]
    let flags = SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    let flags = SendFlags::empty();
    flags
};
