//! The frame store of one shard: encoded frames, each kept once however many
//! connections it waits for. [`Store`] hands out ids; queues hold ids, never bytes.

mod chunks;
mod meta;
mod rank;
mod run;
mod store;
#[cfg(test)]
mod tests;

/// The longest payload that an application may send, in bytes: as long as a peer's message may
/// be ([`Config::max_message`](crate::Config::max_message), 1 GiB at most) and 64 KiB for what is
/// added to it. So the lengths of two fit into 32 bits, as queues count them.
pub const MAX_PAYLOAD: usize = (1 << 30) + (64 << 10);

pub use chunks::Chunks;
pub(crate) use chunks::Slice;
pub(crate) use meta::{FrameMeta, Key};
pub(crate) use rank::Rank;
pub(crate) use store::{FrameId, Store};
