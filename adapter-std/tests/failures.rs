//! What `tests/in_process/hang.rs`, `panic.rs`, `poison.rs` and `retry.rs` own, for the server on threads.

mod adapter;
#[path = "../../tests/in_process/hang.rs"]
mod hang;
#[path = "../../tests/in_process/panic.rs"]
mod panic;
#[path = "../../tests/in_process/poison.rs"]
mod poison;
#[path = "../../tests/in_process/retry.rs"]
mod retry;
#[path = "../../tests/in_process/running.rs"]
mod running;
