//! What `tests/in_process/panic.rs` owns, for the server on threads.

mod adapter;
#[path = "../../tests/in_process/panic.rs"]
mod panic;
#[path = "../../tests/in_process/running.rs"]
mod running;
