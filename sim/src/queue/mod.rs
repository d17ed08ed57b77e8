//! Oracle of a connection's queue: a naive queue, and the comparison of both.

mod batch;
mod naive;
mod ops;

pub use naive::NaiveQueue;
pub use ops::{QueueOp, check};
