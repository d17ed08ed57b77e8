//! What waits for one connection, in the order in which it will leave: urgent
//! before less urgent, first come first served among equals, bounded in
//! messages and bytes. Knows frames by id and length only.

mod list;
mod priority;
#[cfg(test)]
mod tests;

pub(crate) use list::Nodes;
pub(crate) use priority::{Limits, Queue};
