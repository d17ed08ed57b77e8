//! Owns a socket that is waited for with a deadline, and not at all once the listener ends.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What waiting came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    Ready,
    /// The time is over.
    Late,
    /// The listener ends.
    Stopped,
}

/// Waits until something can be done with one of `sockets`, until `deadline` if there is one, and
/// until the other end of `stop` is closed.
pub(crate) fn wait(
    sockets: &[impl AsFd],
    what: PollFlags,
    stop: &UnixStream,
    deadline: Option<Instant>,
) -> io::Result<Waited> {
    loop {
        let one = |socket| PollFd::new(socket, what);
        let mut all: Vec<_> = sockets.iter().map(one).collect();
        all.push(PollFd::new(stop, PollFlags::IN));
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        // What does not fit is as good as for ever.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut all, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) => return Ok(Waited::Late),
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
pub(crate) struct Socket<'a> {
    stream: TcpStream,
    stop: &'a UnixStream,
}

impl<'a> Socket<'a> {
    pub(crate) fn new(stream: TcpStream, stop: &'a UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, stop })
    }

    /// Reads what has come; nothing at the end.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut) if nothing comes by the deadline.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::IN, deadline)?;
            match self.stream.read(buffer) {
                Err(error) if is_spurious(&error) => {}
                other => return other,
            }
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut) if not all of it is taken by the deadline.
    pub(crate) fn write_all(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
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

    /// Says that nothing more comes, and waits for the same from the other side: to close at once
    /// could destroy what was written last.
    pub(crate) fn end(mut self, deadline: Instant) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let (mut unread, mut most) = ([0; 1_024], MOST_UNREAD);
        while most > 0 && self.read(&mut unread, deadline)? > 0 {
            most -= 1;
        }
        Ok(())
    }

    fn wait(&self, what: PollFlags, deadline: Instant) -> io::Result<()> {
        match wait(&[&self.stream], what, self.stop, Some(deadline))? {
            Waited::Ready => Ok(()),
            Waited::Late => Err(ErrorKind::TimedOut.into()),
            Waited::Stopped => Err(ErrorKind::ConnectionAborted.into()),
        }
    }
}

fn is_spurious(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Reads of what nobody asked for, before the connection is closed all the same.
const MOST_UNREAD: u32 = 64;
