//! WebSocket messaging as pure logic: bytes, letters and time in; bytes, letters and
//! tasks out. It owns every rule and every limit of a Stentor server, and no socket,
//! clock, thread or runtime; those are an adapter's.
//!
//! Three machines do the work. All are plain values that an adapter drives: `handle_*`
//! takes something in, `poll_*` hands something out, and nothing else moves them.
//!
//! - [`conn::Connection`]: the protocol of one peer (RFC 6455). Bytes in, events out.
//! - [`Shard`]: connections, rooms, queues and timers of one CPU core. An application
//!   is its [`Handler`], which speaks through a [`Context`].
//! - [`Dispatcher`]: which worker runs which task; one per process.
//!
//! Threads of the application that are outside all shards speak through a [`ServerHandle`], which an
//! adapter makes of a [`ServerEnd`] and a [`ShardSender`] of its own.
//!
//! The other end is [`client::Client`], which needs none of the others.
//!
//! A server is a number of shards, one dispatcher, and an adapter. The same inputs
//! give the same outputs, bit for bit: time is an argument and chance is a seed in
//! [`Config`].
//!
//! A **turn** of a shard is any number of `handle_*` calls, then
//! [`Shard::poll_output`] until it says `None`, then [`Shard::poll_timeout`]. The
//! page `docs/embedding.md` of the repository has a complete program, which the
//! documentation tests of this crate compile and run.
//!
//! ```text
//!             handle_read, handle_writable, handle_eof, handle_disconnect,
//!             handle_message, handle_task, handle_timeout
//!                                   |
//!                                   v
//!   wire -> conn -> handler -> room -> frame -> queue -> poll_transmit
//!      handshake       |                                 poll_output
//!                      +-> dispatch                      poll_timeout
//! ```
//!
//! # Features
//! - `std` (on unless switched off): the [`Mailbox`], and run-time detection of SIMD
//!   in dependencies. Without it the crate is `no_std` with `alloc`.
//! - `deflate`: permessage-deflate (RFC 7692), see [`deflate`].
//! - `testing`: the simulator and the oracles that tests, fuzzers and benches share.
//! - `fuzzing`: the bodies of the fuzz targets.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod buffers;
mod chance;
mod config;
pub mod deflate;
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
mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;

pub mod client;
pub mod conn;
pub mod handshake;
pub mod wire;

pub use config::{Config, ConfigBuilder, Hosts, Origins, Range};
pub use dispatch::{
    Abandoned, AttemptEnd, AttemptResult, DeadLetter, Dispatcher, FailedTask, Failure,
    FailureCause, Job, SharedTask, Spent, SubmitError, SubmitErrorKind, Submitted, TaskCounts,
    TaskOptions, TaskOrder,
};
pub use error::{ConfigError, HandshakeError, PeerError, Unit};
pub use frame::{Chunks, MAX_PAYLOAD};
pub use handler::{
    Backpressure, Context, Decision, DeliveryReport, Echo, Handler, Message, Subprotocol, TaskEnd,
};
pub use id::{ConnId, NotAConnId, ShardId, WorkerId};
pub use queue::{OverflowPolicy, SendOptions};
pub use shard::{
    Admission, CloseInfo, ClosedConnection, ConnectionInfo, ConnectionList, ConnectionQuery, Depth,
    Direction, Drops, Event, Leftover, Lookup, Output, Pause, Permit, Reason, RemoteError,
    RemoteStats, SLOT_BYTES, ServerEnd, ServerHandle, Shard, ShardMessage, ShardSender, SortBy,
    Stage, Timer, WaitReason,
};
pub use stats::{
    CloseCause, Deflation, Delivery, Direct, DispatchStats, Latencies, Links, Priorities,
    PriorityStats, Received, RoomStats, Sent, Stats, Waiting,
};
pub use sync::SharedRef;
#[cfg(feature = "std")]
pub use sync::{Mailbox, MailboxClosed};
pub use time::Timestamp;
pub use wire::close::CloseCode;
pub use wire::opcode::MessageType;

// The simulator and the fuzz targets, while they are modules of this crate, run the application of
// `stentor-gateway`, which depends on this crate. They compile its files a second time.
#[cfg(any(test, feature = "testing"))]
extern crate self as stentor_core;
#[cfg(any(test, feature = "testing"))]
pub use testing::gateway::{NoRoomPolicy, RoomOutcome, RoomTask, Rooms, command};

/// The program in `docs/embedding.md`, for the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
