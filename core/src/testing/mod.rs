//! What tests, fuzzers, benches and simulations share: fake networks, naive
//! oracles, and parts of the core on their own. Not part of a server.

pub mod conformance;
pub mod gateway;
pub mod queue;
pub mod scenario;
pub mod sim;
