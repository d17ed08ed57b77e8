//! Allocations of shards: none in steady state, and those that the memory budget charges.
//!
//! A binary of its own, because its allocator counts what every test of the process allocates.

mod counting;
mod memory;
mod metered;
mod no_alloc;
