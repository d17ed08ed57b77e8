//! Tests of the core through its public interface, one subject a module.

mod client_pair;
mod replies;
mod specs;
mod subprotocols;
