#![doc = "WebSocket messaging as pure logic."]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod config;
mod dispatch;
mod error;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod id;
mod queue;
mod room;
mod shard;
mod stats;
mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;

pub mod command;
pub mod conn;
pub mod handshake;
pub mod wire;

pub use config::{Config, ConfigBuilder, Origins, Range};
pub use dispatch::{Dispatcher, Job, Refusal, Refused, Submitted};
pub use error::{ConfigError, HandshakeError, PeerError, Unit};
pub use frame::Chunks;
pub use handler::{
    Context, Echo, Handler, Message, Outside, Overflow, RoomOutcome, RoomTask, Rooms, TaskEnd,
    Verdict,
};
pub use id::{ConnId, ShardId, WorkerId};
pub use shard::{Admission, Event, Letter, Output, Reason, SLOT_BYTES, Shard};
pub use stats::{CloseCause, Delivery, DispatchStats, Links, Received, RoomStats, Sent, Stats};
pub use sync::Parcel;
#[cfg(feature = "std")]
pub use sync::{Mailbox, MailboxClosed};
pub use time::Timestamp;
pub use wire::close::CloseCode;
pub use wire::opcode::Kind;
