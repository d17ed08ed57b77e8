//! What `tests/in_process/no_alloc.rs` owns, for the server on tokio.

mod adapter;
#[path = "../../tests/in_process/no_alloc.rs"]
mod no_alloc;
#[path = "../../tests/in_process/running.rs"]
mod running;
