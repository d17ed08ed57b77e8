//! Owns the question whether a socket is ready, without waiting for it.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use stentor_core::Direction;

/// Whether a socket can be read, or takes bytes, at this moment. One that has ended or
/// failed is ready: who uses it is told.
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
    let asked = retry_on_intr(|| poll(&mut [PollFd::new(&socket, flags)], Some(&now)));
    // Where the question fails, the socket is not blamed for it.
    asked.map_or(true, |ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn it_is_ready_where_there_is_something_to_do() {
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
