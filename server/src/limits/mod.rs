//! Limits of a server process: connections and file descriptors.

mod connection_limiter;
pub mod descriptors;

pub use connection_limiter::ConnectionLimiter;
