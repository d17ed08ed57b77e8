//! Send queue of one connection: by priority, first in, first out within a priority, bounded in
//! messages and bytes. Refers to frames by id.

// Outside of tests, nobody else has a queue.
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub))]
mod drop_reason;
mod list;
#[cfg(feature = "testing")]
pub(crate) mod lone;
mod priority;
mod send_options;

#[cfg_attr(not(feature = "testing"), expect(unreachable_pub))]
pub use drop_reason::{DropReason, PushError};
pub(crate) use list::Nodes;
pub(crate) use priority::{Arrival, Limits, Queue, Starvation};
pub use send_options::{OverflowPolicy, SendOptions};
