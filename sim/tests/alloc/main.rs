//! Allocations of shards: none in steady state, and those that the memory budget charges; of HTTP:
//! none; of the client protocol: none.
//!
//! A binary of its own, because its allocator counts what every test of the process allocates.

mod client_protocol;
mod counting;
mod http;
mod memory;
mod metered;
mod no_alloc;
