#![doc = "WebSocket messaging as pure logic."]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod config;
mod dispatch;
mod error;
mod id;
mod stats;
mod sync;
mod time;

pub mod handshake;
pub mod wire;

pub use config::{Config, ConfigBuilder, Origins, Range};
pub use dispatch::{Dispatcher, Job, Refusal, Refused, Submitted};
pub use error::{ConfigError, HandshakeError, PeerError, Unit};
pub use id::{ConnId, ShardId, WorkerId};
pub use stats::{CloseCause, Delivery, DispatchStats, Links, Received, Rooms, Sent, Stats};
pub use sync::Parcel;
#[cfg(feature = "std")]
pub use sync::{Mailbox, MailboxClosed};
pub use time::Timestamp;
