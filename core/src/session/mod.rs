//! Sessions: what a shard keeps for each of its connections, and their timers.

pub(crate) mod app_types;
pub(crate) mod deferred;
pub(crate) mod head;
mod links;
pub(crate) mod slab;
pub(crate) mod slot;
pub(crate) mod sweep;
pub(crate) mod wheel;
