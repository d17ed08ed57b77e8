//! Sessions: the connections of a shard, from the socket's first byte to its last.

pub(crate) mod buffered_input;
pub(crate) mod close;
pub(crate) mod deferred;
pub(crate) mod head;
pub(crate) mod input;
pub(crate) mod pending_ops;
pub(crate) mod slab;
pub(crate) mod slot;
pub(crate) mod sweep;
pub(crate) mod timers;
pub(crate) mod wheel;
pub(crate) mod write;
