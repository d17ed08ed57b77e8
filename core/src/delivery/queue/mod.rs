//! What waits for one connection, in the order in which it will leave: urgent
//! before less urgent, first come first served among equals, bounded in
//! messages and bytes. Knows frames by id and label only.

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
