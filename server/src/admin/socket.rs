//! Socket whose operations end at a deadline, or when the listener ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::remote::{IncomingSocket, ReadSocket, SocketOrigin};

/// The result of a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waited {
    Ready,
    /// The deadline has passed.
    TimedOut,
    /// The listener ends.
    Stopped,
}

/// Waits until one of `sockets` is ready, the deadline passes, or the other end of `stop` is closed.
pub(super) fn wait(
    sockets: &[impl AsFd],
    flags: PollFlags,
    stop: &UnixStream,
    deadline: Option<Instant>,
) -> io::Result<Waited> {
    loop {
        let one = |socket| PollFd::new(socket, flags);
        let mut all: Vec<_> = sockets.iter().map(one).collect();
        all.push(PollFd::new(stop, PollFlags::IN));
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        // A timeout that does not fit is unlimited.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut all, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) => return Ok(Waited::TimedOut),
            Ok(_) => {
                return Ok(match all.last() {
                    Some(stop) if !stop.revents().is_empty() => Waited::Stopped,
                    _ => Waited::Ready,
                });
            }
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct AdminSocket<'a> {
    stream: TcpStream,
    stop: &'a UnixStream,
}

impl<'a> AdminSocket<'a> {
    pub(super) fn new(stream: TcpStream, stop: &'a UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // The responses to pipelined requests are written one by one. A unix socket has no such option.
        let _ = stream.set_nodelay(true);
        Ok(Self { stream, stop })
    }

    /// Returns the socket, from which these bytes were read, for the application.
    pub(super) fn into_incoming(self, read: Vec<u8>) -> io::Result<IncomingSocket> {
        let peer = self.stream.peer_addr()?;
        Ok(IncomingSocket {
            stream: self.stream,
            arrival: ReadSocket {
                peer,
                read,
                origin: SocketOrigin::Internal,
            },
        })
    }

    /// Reads into `buffer`. Returns 0 at the end of the input.
    ///
    /// # Errors
    /// Returns [`TimedOut`](ErrorKind::TimedOut) if nothing arrives before the deadline.
    pub(super) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::IN, deadline)?;
            match self.stream.read(buffer) {
                Err(error) if is_spurious(&error) => {}
                other => return other,
            }
        }
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// Returns [`TimedOut`](ErrorKind::TimedOut) if not all are written before the deadline.
    pub(super) fn write_all(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            self.wait(PollFlags::OUT, deadline)?;
            match self.stream.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if is_spurious(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Shuts the writing side down and waits for the peer to do the same. Closing at once could
    /// discard the end of the response.
    pub(super) fn close(mut self, deadline: Instant) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let (mut unread, mut reads) = ([0; 1_024], 0);
        while reads < MAX_UNREAD && self.read(&mut unread, deadline)? > 0 {
            reads += 1;
        }
        Ok(())
    }

    fn wait(&self, flags: PollFlags, deadline: Instant) -> io::Result<()> {
        match wait(&[&self.stream], flags, self.stop, Some(deadline))? {
            Waited::Ready => Ok(()),
            Waited::TimedOut => Err(ErrorKind::TimedOut.into()),
            Waited::Stopped => Err(ErrorKind::ConnectionAborted.into()),
        }
    }
}

fn is_spurious(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Reads of further input before the connection is closed anyway.
const MAX_UNREAD: u32 = 64;
