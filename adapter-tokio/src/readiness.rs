//! Owns the registration of descriptors that tokio did not open with tokio's
//! reactor: the one unsafe call of the adapter.

use std::io;

use mio::Poll;
use mio::net::TcpListener;
use tokio::io::unix::AsyncFd;

/// Lets the current runtime say when the poll has events. Needs a runtime.
#[expect(
    unsafe_code,
    reason = "the descriptor's life is for the caller to vouch for"
)]
pub(crate) fn of_poll(poll: Poll) -> io::Result<AsyncFd<Poll>> {
    // SAFETY: a `Poll` owns its descriptor, keeps it open until it is dropped,
    // and always names the same one; the `AsyncFd` owns the `Poll`.
    Ok(unsafe { AsyncFd::register(poll) }?)
}

/// Lets the current runtime say when there is a socket to accept. Needs a runtime.
#[expect(
    unsafe_code,
    reason = "the descriptor's life is for the caller to vouch for"
)]
pub(crate) fn of_listener(listener: TcpListener) -> io::Result<AsyncFd<TcpListener>> {
    // SAFETY: as for `of_poll`.
    Ok(unsafe { AsyncFd::register(listener) }?)
}
