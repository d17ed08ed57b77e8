//! A server as a whole, beside its shards: connection limit, stages of the shutdown. Opens, sends
//! and waits for nothing itself.

mod connection_limiter;
mod deadline;
mod drain;
#[cfg(test)]
mod loom_connection_limiter;

pub use connection_limiter::ConnectionLimiter;
pub use deadline::Deadline;
pub use drain::{Drain, DrainGoal, DrainStep, ShardOrder};
