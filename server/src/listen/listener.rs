//! Listener of any kind of stream socket. What it accepts is handled as a TCP stream, whose
//! operations on a unix socket are the same.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use rustix::net::SocketFlags;
use rustix::net::acceptfrom_with;

use super::unix::SocketFile;
use crate::host::Arrival;
#[cfg(feature = "tls")]
use crate::tls::TlsServer;

/// An open listener. Accepting from it does not block.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    place: ListenerPlace,
    /// Removed with the listener.
    _file: Option<SocketFile>,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub has_proxy_header: bool,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsServer>,
}

#[derive(Clone, Debug)]
enum ListenerPlace {
    Address(SocketAddr),
    Path(PathBuf),
    /// A unix socket without a path.
    Unnamed,
}

/// Whether operations on an accepted socket wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamMode {
    /// They do.
    Blocking,
    /// They do not.
    NonBlocking,
}

impl Listener {
    pub(super) fn tcp(listener: TcpListener) -> Self {
        let address = listener.local_addr();
        Self {
            place: address.map_or(ListenerPlace::Unnamed, ListenerPlace::Address),
            socket: listener.into(),
            _file: None,
            has_proxy_header: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Returns one on a unix socket with this path. `file` is removed with it.
    pub(super) fn unix(socket: OwnedFd, path: Option<PathBuf>, file: Option<SocketFile>) -> Self {
        Self {
            socket,
            place: match path {
                Some(path) => ListenerPlace::Path(path),
                None => ListenerPlace::Unnamed,
            },
            _file: file,
            has_proxy_header: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Returns the address, unless it is a unix socket.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self.place {
            ListenerPlace::Address(address) => Some(address),
            _ => None,
        }
    }

    /// Returns what a connection of this peer is for its shard.
    #[must_use]
    pub fn arrival(&self, peer: Option<SocketAddr>) -> Arrival {
        Arrival {
            peer,
            has_proxy_header: self.has_proxy_header,
            #[cfg(feature = "tls")]
            transport: self.tls.as_ref().map(TlsServer::transport),
            #[cfg(not(feature = "tls"))]
            transport: None,
        }
    }

    /// Takes a connection, with the address of its peer unless that is on a unix socket.
    ///
    /// # Errors
    /// Returns an error of the operating system, of the kind
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if no connection waits.
    pub fn accept(&self, mode: StreamMode) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let mut flags = SocketFlags::CLOEXEC;
        if mode == StreamMode::NonBlocking {
            flags |= SocketFlags::NONBLOCK;
        }
        let (socket, peer) = acceptfrom_with(&self.socket, flags)?;
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        Ok((socket.into(), peer))
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            ListenerPlace::Address(address) => address.fmt(f),
            ListenerPlace::Path(path) => write!(f, "unix:{}", path.display()),
            ListenerPlace::Unnamed => f.write_str("unix:"),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
