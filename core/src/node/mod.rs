//! A server as a whole, beside its shards: connection limit, stages of the shutdown. Opens, sends
//! and waits for nothing itself.

mod connection_limiter;
#[cfg(test)]
mod loom_connection_limiter;

pub use connection_limiter::ConnectionLimiter;
