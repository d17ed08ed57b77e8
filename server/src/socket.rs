//! Socket operations that std lacks: readiness without waiting, the limit on unsent bytes, and
//! which accept errors concern only the peer.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use stentor_core::shard::Direction;

/// Returns whether a socket can be read or written now. A socket that has ended or failed is ready:
/// the next operation reports it.
#[must_use]
pub fn is_ready(socket: impl AsFd, direction: Direction) -> bool {
    let flags = match direction {
        Direction::Read => PollFlags::IN,
        Direction::Write => PollFlags::OUT,
    };
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let polled = retry_on_intr(|| poll(&mut [PollFd::new(&socket, flags)], Some(&now)));
    // An error of `poll` is not an error of the socket.
    polled.map_or(true, |ready| ready > 0)
}

/// Limits the bytes of a connection that the kernel holds unsent. Has no effect except on Linux.
pub fn limit_unsent(socket: &impl AsFd, bytes: u32) {
    // Fails only if the peer has gone, which the next read reports.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(socket).set_tcp_notsent_lowat(bytes);
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, bytes);
}

/// Returns whether an accept failed because of the peer, so that the listener is sound.
#[must_use]
pub fn is_peer_error(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_is_ready_if_an_operation_would_not_block() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("sockets");
        assert!(!is_ready(&ours, Direction::Read));
        assert!(is_ready(&ours, Direction::Write));
        theirs.write_all(b"x").expect("room");
        assert!(is_ready(&ours, Direction::Read));
        ours.read_exact(&mut [0]).expect("a byte");
        assert!(!is_ready(&ours, Direction::Read));
        ours.set_nonblocking(true).expect("an option");
        while ours.write(&[0; 4_096]).is_ok() {}
        assert!(!is_ready(&ours, Direction::Write));
        drop(theirs);
        assert!(is_ready(&ours, Direction::Read) && is_ready(&ours, Direction::Write));
    }
}
