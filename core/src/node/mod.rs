//! A server as a whole, beside its shards: connection limit, stages of the shutdown,
//! length of a turn. Opens, sends
//! and waits for nothing itself.

mod connection_limiter;
mod deadline;
mod drain;
#[cfg(test)]
mod loom_connection_limiter;
mod turn_budget;

pub use connection_limiter::ConnectionLimiter;
pub use deadline::Deadline;
pub use drain::{Drain, DrainGoal, DrainStep, ShardOrder};
pub use turn_budget::TurnBudget;
