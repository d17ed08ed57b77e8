//! Frame store of one shard: encoded frames, each stored once for all connections that it waits
//! for. [`Store`] returns ids, and queues contain ids.

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
pub(crate) use meta::{FrameMeta, Key};
pub(crate) use rank::Rank;
pub(crate) use store::{FrameId, Store};
