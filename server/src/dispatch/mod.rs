//! The task scheduler of a server behind its lock, shared by workers, shards and the timer.
//!
//! No code of the application runs under the lock, none runs where a panic would not be caught, and
//! nothing is logged under the lock. How a worker waits for a task, what a task runs on, and what
//! waits for deadlines is the adapter's.

mod contain;
mod log;
mod shared;
#[cfg(test)]
mod tests;

pub use contain::{contain, dispose};
pub use shared::SharedDispatcher;
