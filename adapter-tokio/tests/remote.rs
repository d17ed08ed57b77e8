//! What `tests/in_process/remote.rs` owns, for the server on tokio.

mod adapter;
#[path = "../../tests/in_process/remote.rs"]
mod remote;
#[path = "../../tests/in_process/running.rs"]
mod running;

use stentor_core::{Permit, RemoteError};
use tokio::runtime::Builder;

/// Takes so many places one after the other, and waits for each.
fn take_places(
    remote: &adapter::ServerHandle,
    places: usize,
    mut take: impl FnMut(Permit),
) -> Result<(), RemoteError> {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..places {
            take(remote.reserve().await?);
        }
        Ok(())
    })
}
