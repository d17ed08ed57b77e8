//! The protocol machine of one peer (RFC 6455, RFC 7692): bytes in, events out, for
//! either role. The only place that assumes WebSocket framing. Knows no room,
//! no queue and no other connection.

mod assembly;
mod connection;
mod event;
mod keepalive;
mod rate;
mod state;
mod workspace;

pub use connection::{Connection, MessageLimits};
pub use event::{Event, Payload, Step};
pub(crate) use keepalive::{Keepalive, KeepaliveAction, KeepaliveTimes, Next};
pub(crate) use rate::MinRate;
pub use state::{Role, State};
pub use workspace::DecodeBuffers;
