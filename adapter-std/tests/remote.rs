//! What `tests/in_process/remote.rs` owns, for the server on threads.

mod adapter;
#[path = "../../tests/in_process/remote.rs"]
mod remote;
#[path = "../../tests/in_process/running.rs"]
mod running;

use stentor_core::{Permit, RemoteError};

/// Takes so many places one after the other, and waits for each.
fn take_places(
    remote: &adapter::ServerHandle,
    places: usize,
    mut take: impl FnMut(Permit),
) -> Result<(), RemoteError> {
    for _ in 0..places {
        take(remote.reserve()?);
    }
    Ok(())
}
