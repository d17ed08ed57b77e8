//! Protocol machines: bytes of one peer to events and back. They know no channel and no session.

pub mod client;
pub mod http;
pub mod proxy;
#[cfg(feature = "tls")]
pub mod tls;
pub mod transport;
pub mod wire;
pub mod ws;
