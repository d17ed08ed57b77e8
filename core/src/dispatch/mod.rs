//! Worker dispatch: tasks that connections hand in, and the workers that run
//! them. Owns the queue between them, who is busy with what, and the counts; knows
//! neither what a task is nor what became of it: the adapter runs it and takes the
//! outcome to the connection's shard.
//!
//! Each job is handed out once. Trying again, trying later and setting aside what
//! keeps failing would live here, between [`Dispatcher::handle_panic`] and the queue.

mod dispatcher;
mod job;

#[cfg(test)]
mod tests;

pub use dispatcher::Dispatcher;
pub use job::{Job, Refusal, Refused, Submitted};
