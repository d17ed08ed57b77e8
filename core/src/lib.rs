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
//! - [`Dispatcher`]: which worker runs which task; one per process.
//!
//! Other threads of the application use a [`ServerHandle`], which an adapter makes of a
//! [`ServerEnd`] and a [`ShardSender`] of its own.
//!
//! The other end is [`proto::client::Client`], which needs none of the others.
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
//!   proto -> session -> Handler -> channels -> delivery -> poll_transmit
//!                          |                               poll_output
//!                          +-> tasks                       poll_timeout
//! ```
//!
//! # Features
//! - `std` (on unless switched off): the [`Mailbox`], and run-time detection of SIMD
//!   in dependencies. Without it the crate is `no_std` with `alloc`.
//! - `deflate`: permessage-deflate (RFC 7692), see [`proto::ws::deflate`].
//! - `testing`: access to the inside for simulator, fuzz targets and benches; not stable.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod app;
mod buffers;
mod chance;
mod channels;
mod config;
mod delivery;
mod engine;
mod id;
mod inspect;
mod node;
pub mod proto;
mod session;
mod shard;
mod stats;
mod sync;
mod table;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod time;

pub use app::{
    Acceptance, AfterPanic, Context, Decision, Echo, Handler, HttpRequest, HttpResponse, Isolation,
    Message, NoIsolation, Subprotocol,
};
pub use channels::delivery_report::DeliveryReport;
pub use channels::handle::{
    Permit, RemoteError, RemoteStats, ServerEnd, ServerHandle, ShardSender,
};
pub use channels::message::ShardMessage;
pub use config::{Config, ConfigBuilder, ConfigError, Range, Unit};
pub use delivery::frame::{Chunks, MAX_PAYLOAD};
pub use delivery::queue::{OverflowPolicy, SendOptions};
pub use delivery::{Depth, Drops};
pub use engine::input::Admission;
pub use engine::output::{Event, Output};
pub use engine::timers::{Direction, Reason};
pub use id::{ConnId, NotAConnId, ShardId, WorkerId};
pub use inspect::closed::{CloseInfo, ClosedConnection};
pub use inspect::connection_info::{
    ConnectionInfo, ConnectionStage, Lookup, Pause, TimerKind, WaitReason,
};
pub use inspect::connection_list::{ConnectionList, ConnectionQuery, SortBy};
pub use node::{ConnectionLimiter, Deadline, Drain, DrainGoal, DrainStep, ShardOrder, TurnBudget};
pub use proto::http::{HandshakeError, Hosts};
pub use proto::ws::PeerError;
pub use proto::ws::close::CloseCode;
pub use proto::ws::opcode::MessageType;
pub use proto::ws::upgrade::Origins;
pub use session::app_types::{AppTypes, Backpressure, TaskEnd};
pub use shard::{SLOT_BYTES, Shard};
pub use stats::{
    ChannelStats, CloseCause, Deflation, Delivery, Direct, DispatchStats, Latencies, Links,
    Priorities, PriorityStats, Received, Sent, Stats, Waiting,
};
pub use sync::SharedRef;
#[cfg(feature = "std")]
pub use sync::{Mailbox, MailboxClosed};
pub use tasks::{
    Abandoned, Attempt, AttemptEnd, AttemptResult, DeadLetter, Dispatcher, DueTasks, EndedAttempt,
    FailedTask, Failure, FailureCause, Job, SharedTask, Spent, Submission, SubmitError,
    SubmitErrorKind, Submitted, TaskCounts, TaskOptions, TaskOrder, TaskScheduler, Wakeups,
    WorkerStep,
};
pub use time::Timestamp;

/// The program in `docs/embedding.md`, for the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
