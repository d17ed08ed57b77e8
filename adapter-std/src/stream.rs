//! Owns what the server wants of a connection's socket, and how the system does
//! it. When that is done, and by whom, is decided elsewhere.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use stentor_core::Direction;
use stentor_server::socket;

/// A socket as its threads use it; more than one of them at once. The models
/// have one of their own.
pub(crate) trait Stream: Send + Sync + Sized + 'static {
    /// Waits for bytes; none at the end of what the peer sends.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Takes the bytes that are there already.
    fn receive_now(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends as much as the socket takes at once.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until the socket takes bytes, or has ended: then sending says so.
    fn await_room(&self);

    /// Whether it is ready now, without waiting.
    fn is_ready(&self, direction: Direction) -> bool;

    /// Limits what the system holds of it that it cannot send yet.
    fn limit_unsent(&self, bytes: u32);

    /// Ends one direction, or both; whoever waits for bytes or room is told.
    fn shut(&self, how: Shutdown);

    /// Another handle of the same socket.
    fn try_clone(&self) -> io::Result<Self>;
}

impl Stream for TcpStream {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        receive(self, buffer, RecvFlags::empty())
    }

    fn receive_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        receive(self, buffer, RecvFlags::DONTWAIT)
    }

    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self, bytes, SendFlags::DONTWAIT)?)
    }

    fn await_room(&self) {
        let mut sockets = [PollFd::new(self, PollFlags::OUT)];
        match poll(&mut sockets, None) {
            // If it was interrupted, sending finds out how it is.
            Ok(_) | Err(Errno::INTR) => {}
            // As where the limit of open files is 0: trying again at once would spin.
            Err(_) => thread::sleep(PAUSE),
        }
    }

    fn is_ready(&self, direction: Direction) -> bool {
        stentor_server::socket::is_ready(self, direction)
    }

    fn limit_unsent(&self, bytes: u32) {
        socket::limit_unsent(self, bytes);
    }

    fn shut(&self, how: Shutdown) {
        // Fails only if the peer is gone already, which a read will tell.
        let _ = self.shutdown(how);
    }

    fn try_clone(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

fn receive(stream: &TcpStream, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    let (_, n) = recv(stream, buffer, flags)?;
    Ok(n)
}

/// How long a writer waits where the system cannot say when there is room.
const PAUSE: Duration = Duration::from_millis(10);
