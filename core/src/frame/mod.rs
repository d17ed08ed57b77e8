//! The frame store of one shard: encoded frames, each kept once however many
//! connections it waits for. [`Store`] hands out ids; queues hold ids, never bytes.

mod chunks;
mod label;
mod rank;
mod run;
mod store;
#[cfg(test)]
mod tests;

pub use chunks::Chunks;
pub(crate) use chunks::Slice;
pub(crate) use label::{Key, Label};
pub(crate) use rank::Rank;
pub(crate) use store::{FrameId, Store};
