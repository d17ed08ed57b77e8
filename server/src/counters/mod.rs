//! Counters that belong to no shard: turn durations, answers of the admin pages, listener errors.
//!
//! They do not know the metrics page. Shards and the dispatcher count in the core.

mod server;
mod statuses;
mod turns;

pub use server::{ServerCounters, ServerCounts};
pub use statuses::{STATUSES, StatusCounters};
pub use turns::Turns;
