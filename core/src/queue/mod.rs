//! What waits for one connection, in the order in which it will leave: urgent
//! before less urgent, first come first served among equals, bounded in
//! messages and bytes. Knows frames by id and label only.

mod list;
mod priority;
mod qos;
#[cfg(test)]
mod tests;

pub(crate) use list::Nodes;
pub(crate) use priority::{Arrival, Limits, Queue, Starvation};
pub use priority::{Fate, Refusal};
pub use qos::{Qos, WhenFull};
