//! Socket operations that the server needs, and their implementation on the operating system. The
//! callers decide when they are used and by which thread.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use stentor_core::shard::Direction;
use stentor_server::socket;

/// A socket that several threads use at once. The models implement it for a scripted socket.
pub(crate) trait Stream: Send + Sync + Sized + 'static {
    /// Waits for bytes and reads them. Returns zero at the end of the stream.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads the bytes that are available already, without waiting.
    fn receive_now(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends as much as the socket accepts without waiting.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until the socket accepts bytes or has ended; sending then reports which.
    fn await_room(&self);

    /// Returns whether the socket is ready now, without waiting.
    fn is_ready(&self, direction: Direction) -> bool;

    /// Limits the bytes that the system buffers and cannot send yet.
    fn limit_unsent(&self, bytes: u32);

    /// Shuts down one direction or both, which wakes threads that wait for bytes or room.
    fn shut(&self, how: Shutdown);

    /// Returns another handle of the same socket.
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
            // If the call was interrupted, sending reports the state of the socket.
            Ok(_) | Err(Errno::INTR) => {}
            // For example if the limit of open files is 0: trying again at once would spin.
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
        // Fails only if the peer is gone already, which a read will report.
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

/// Time for which a writer waits if the system cannot report when there is room.
const PAUSE: Duration = Duration::from_millis(10);
