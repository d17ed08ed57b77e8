//! WebSocket messaging as pure logic: bytes, messages and time in; bytes, messages and tasks
//! out. Holds every rule and every limit of a Stentor server, and no socket, clock, thread or
//! runtime; those are an adapter's.
//!
//! Three machines do the work. All are plain values that an adapter drives: `handle_*`
//! takes something in, `poll_*` hands something out, and nothing else moves them.
//!
//! - [`proto::ws::Connection`]: the protocol of one peer (RFC 6455). Bytes in, events out.
//! - [`Shard`]: connections, channels, queues and timers of one CPU core. An application
//!   is its [`Handler`], which speaks through a [`Context`].
//! - [`Dispatcher`](tasks::Dispatcher): which worker runs which task; one per process.
//!
//! Other threads of the application use a [`CommandSender`](channels::CommandSender), which an adapter
//! makes of a [`ServerEnd`](channels::ServerEnd) and a [`ShardSender`](channels::ShardSender) of its
//! own.
//!
//! The other end is [`proto::client::Client`], which needs none of the others.
//!
//! A server is a number of shards, one dispatcher, and an adapter. The same inputs
//! give the same outputs, bit for bit: time is an argument and chance is a seed in
//! [`Config`].
//!
//! A **turn** of a shard is any number of `handle_*` calls, then
//! [`Shard::poll_output`] until it says [`Output::Timeout`]. The
//! page `docs/embedding.md` of the repository has a complete program, and `docs/examples.md` has
//! several applications; the documentation tests of this crate compile and run them.
//!
//! ```text
//!             handle_read, handle_writable, handle_eof, handle_disconnect,
//!             handle_message, handle_task, handle_timeout
//!                                   |
//!                                   v
//!   proto -> session -> Handler -> channels -> delivery -> poll_transmit
//!                          |                               poll_output
//!                          +-> tasks
//! ```
//!
//! # Features
//! - `std` (on unless switched off): the [`Mailbox`](sync::Mailbox), and run-time detection of SIMD
//!   in dependencies. Without it the crate is `no_std` with `alloc`.
//! - `deflate`: permessage-deflate (RFC 7692), see [`proto::ws::deflate`].
//! - `testing`: access to the inside for simulator, fuzz targets and benches; not stable.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod app;
mod buffers;
mod chance;
pub mod channels;
pub mod config;
pub mod delivery;
mod engine;
pub mod id;
pub mod inspect;
pub mod node;
mod position;
pub mod proto;
mod session;
pub mod shard;
pub mod stats;
pub mod sync;
mod table;
pub mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod time;

pub use app::{
    Acceptance, Context, Decision, Echo, Handler, HttpRequest, HttpResponse, Message, TaskEnd,
};
pub use channels::DeliveryReport;
pub use config::Config;
pub use delivery::{OverflowPolicy, SendOptions};
pub use id::{ConnId, ShardId};
pub use proto::ws::close::CloseCode;
pub use proto::ws::opcode::MessageType;
pub use shard::{Event, Output, Shard};
pub use stats::CloseCause;
pub use tasks::{Failure, TaskOptions};
pub use time::Timestamp;

/// The program in `docs/embedding.md`, for the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;

/// The programs in `docs/examples.md`, for the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/examples.md")]
struct Examples;
