//! Sessions: the state that a shard keeps for each connection, and the timer wheel.

pub(crate) mod address_limiter;
pub(crate) mod app_timers;
pub(crate) mod app_types;
pub(crate) mod deferred;
pub(crate) mod ended;
pub(crate) mod head;
pub(crate) mod http_exchange;
pub(crate) mod http_response;
mod links;
pub(crate) mod peer;
pub(crate) mod phase;
pub(crate) mod rate_limits;
pub(crate) mod slab;
pub(crate) mod slot;
pub(crate) mod sweep;
pub(crate) mod wheel;
