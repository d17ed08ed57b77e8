//! Registration of descriptors that tokio did not open with tokio's reactor. Contains the only
//! unsafe call of the adapter.

use std::io;

use mio::Poll;
use stentor_server::Listener;
use tokio::io::unix::AsyncFd;

/// Registers a poll with the current runtime, which reports when it has events. Must be called
/// within a runtime.
#[expect(
    unsafe_code,
    reason = "the descriptor's life is for the caller to vouch for"
)]
pub(crate) fn of_poll(poll: Poll) -> io::Result<AsyncFd<Poll>> {
    // SAFETY: a `Poll` owns its descriptor, keeps it open until it is dropped,
    // and always names the same one; the `AsyncFd` owns the `Poll`.
    Ok(unsafe { AsyncFd::register(poll) }?)
}

/// Registers a listener with the current runtime, which reports when there is a socket to accept.
/// Must be called within a runtime.
#[expect(
    unsafe_code,
    reason = "the descriptor's life is for the caller to vouch for"
)]
pub(crate) fn of_listener(listener: Listener) -> io::Result<AsyncFd<Listener>> {
    // SAFETY: a `Listener` owns its descriptor, as a `Poll` does.
    Ok(unsafe { AsyncFd::register(listener) }?)
}
