//! Command `raw`: the bare epoll loop that servers are compared with. It reads and writes bytes,
//! without WebSocket, rooms or queues.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use clap::Args;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use crate::error::Error;

/// Serves bytes with a bare epoll loop, without WebSocket, for comparison
#[derive(Clone, Debug, Args)]
pub(crate) struct Raw {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:9001")]
    pub(crate) listen: SocketAddr,
    /// Sends received bytes to every connection, instead of back
    #[arg(long)]
    pub(crate) fan_out: bool,
}

impl Raw {
    /// Serves until the process ends.
    pub(crate) fn run(&self) -> Result<(), Error> {
        let failed = Error::system(format!("{}", self.listen));
        let mut server = RawServer::bind(self).map_err(failed)?;
        eprintln!("listening on {}", self.listen);
        loop {
            server.turn().map_err(Error::system("epoll"))?;
        }
    }
}

struct RawServer {
    listener: TcpListener,
    poll: Poll,
    events: Events,
    peers: Vec<Option<RawPeer>>,
    free: Vec<usize>,
    buffer: Box<[u8]>,
    fan_out: bool,
}

struct RawPeer {
    stream: TcpStream,
    /// Data that the socket has not accepted; no more is read until it is sent.
    unsent: Vec<u8>,
}

impl RawServer {
    fn bind(raw: &Raw) -> io::Result<Self> {
        let mut listener = TcpListener::bind(raw.listen)?;
        // On Linux accepted sockets inherit the option, which saves a call for each.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            listener,
            poll,
            events: Events::with_capacity(1_024),
            peers: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; BUFFER].into(),
            fan_out: raw.fan_out,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            if event.token() == LISTENER {
                self.accept()?;
                continue;
            }
            let at = event.token().0;
            if event.is_writable() && self.flush(at).is_err() {
                self.end(at);
            }
            let until_eof = event.is_read_closed() || event.is_error();
            if self.serve(at, until_eof).is_err() {
                self.end(at);
            }
        }
        self.events = events;
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The client has closed the connection already.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let at = self.free.pop().unwrap_or(self.peers.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            registry.register(&mut stream, Token(at), interest)?;
            if at == self.peers.len() {
                self.peers.push(None);
            }
            self.peers[at] = Some(RawPeer {
                stream,
                unsent: Vec::new(),
            });
        }
    }

    /// Reads until the socket is empty, and writes what was read. After an error the peer is
    /// removed.
    fn serve(&mut self, at: usize, until_eof: bool) -> io::Result<()> {
        while let Some(peer) = &mut self.peers[at]
            && (self.fan_out || peer.unsent.is_empty())
        {
            let n = match peer.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if self.fan_out {
                let mut ended = Vec::new();
                for (to, peer) in self.peers.iter_mut().enumerate() {
                    let written = peer.as_mut().map(|peer| peer.write(&self.buffer[..n]));
                    if matches!(written, Some(Err(_))) {
                        ended.push(to);
                    }
                }
                ended.into_iter().for_each(|to| self.end(to));
            } else {
                peer.write(&self.buffer[..n])?;
            }
            if n < self.buffer.len() && !until_eof {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends the data that was kept.
    fn flush(&mut self, at: usize) -> io::Result<()> {
        let Some(peer) = &mut self.peers[at] else {
            return Ok(());
        };
        if !peer.unsent.is_empty() {
            let unsent = std::mem::take(&mut peer.unsent);
            peer.write(&unsent)?;
        }
        Ok(())
    }

    fn end(&mut self, at: usize) {
        if self.peers[at].take().is_some() {
            self.free.push(at);
        }
    }
}

impl RawPeer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while self.unsent.is_empty() && written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }
}

const LISTENER: Token = Token(usize::MAX - 1);
/// The size of a read.
const BUFFER: usize = 256 << 10;
