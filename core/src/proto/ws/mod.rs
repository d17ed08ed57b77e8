//! WebSocket (RFC 6455): frames, messages and the closing handshake of one peer.
//!
//! [`Connection`] turns bytes into events. [`header`], [`mask`] and [`utf8`] are the codec of
//! frames, [`upgrade`] is the opening handshake, [`deflate`] is permessage-deflate (RFC 7692).

mod assembler;
pub mod close;
mod close_code;
mod connection;
mod decode_buffers;
pub mod deflate;
mod event;
pub mod header;
mod keepalive;
pub mod mask;
mod message_limits;
pub(crate) mod min_rate;
pub mod opcode;
mod peer_error;
mod state;
pub mod upgrade;
pub mod utf8;

#[cfg(test)]
mod frame_tests;

pub use connection::Connection;
pub use decode_buffers::DecodeBuffers;
pub use event::{ConnectionEvent, Payload, Step};
pub(crate) use keepalive::{Keepalive, KeepaliveAction, KeepaliveTimes, SilenceAction};
pub use message_limits::MessageLimits;
pub(crate) use min_rate::MinRate;
pub use peer_error::PeerError;
pub use state::{CloseState, Role};
