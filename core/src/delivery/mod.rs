//! Delivery: frames, send queues, the flush order, and what goes out in one write.

pub(crate) mod batch;
pub(crate) mod fan_out;
pub(crate) mod flush_scheduler;
pub(crate) mod frame;
pub(crate) mod memory_budget;
pub(crate) mod pace;
pub(crate) mod queue;
pub(crate) mod queueing;
pub(crate) mod reply;
pub(crate) mod reply_buffer;
pub(crate) mod shedding;
pub(crate) mod transmit;
pub(crate) mod variants;
