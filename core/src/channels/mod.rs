//! Channels: members, owner shards, and the messages between shards.

pub(crate) mod credit;
pub(crate) mod direct;
pub(crate) mod fan_out;
pub(crate) mod inbox;
pub(crate) mod membership;
pub(crate) mod message;
pub(crate) mod registry;
pub(crate) mod restart;
pub(crate) mod waiters;
