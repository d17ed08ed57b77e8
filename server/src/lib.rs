//! Parts of a Stentor server that both adapters share.
//!
//! - [`ServerBuilder`] and [`lifecycle`]: listeners, serving, the stages of the shutdown, the report.
//! - [`ServerHandle`]: commands and sockets from other threads and tasks.
//! - [`host`]: what an adapter does for its shards and workers.
//! - [`SharedDispatcher`]: the task scheduler behind a lock.
//! - [`CatchPanics`]: containment of panics in callbacks.
//! - [`socket`]: socket options and readiness.
//!
//! With the feature `program`, which the binaries need and an embedder does not:
//! - `Settings`: flags, environment and file, checked and typed.
//! - `program`, `Signals` and `log`: signals, exit code, log lines and their bounded queue.
//! - `metrics` and `admin`: the metrics page, the admin pages and their listener. They query a server
//!   through [`inspect::AdminBackend`].
//!
//! It has no runtime, and no sockets and threads but those of the life cycle, the pages, the log and
//! the signals. The limits of the core are in [`stentor_core::Config`].
//!
//! # Features
//! Both are on by default.
//! - `program`: as above.
//! - `deflate`: permessage-deflate (RFC 7692), which `Config::compression` switches on.
#![forbid(unsafe_code)]

mod accept_pace;
mod address;
#[cfg(feature = "program")]
pub mod admin;
mod answer;
mod builder;
#[cfg(feature = "program")]
mod calls;
mod clock;
pub mod counters;
#[cfg(all(feature = "program", feature = "tls"))]
mod dev_cert;
pub mod dispatch;
pub mod host;
#[cfg(feature = "program")]
pub mod inspect;
mod isolation;
pub mod lifecycle;
mod listen;
#[cfg(feature = "program")]
mod live;
pub mod log;
#[cfg(feature = "program")]
pub mod metrics;
mod options;
#[cfg(feature = "program")]
pub mod pages;
mod primitive;
#[cfg(feature = "tokens")]
mod public_key;
mod remote;
#[cfg(feature = "program")]
mod settings;
pub mod socket;
#[cfg(feature = "program")]
mod state_file;
mod throttle;
#[cfg(feature = "tls")]
pub mod tls;

pub use answer::PendingAnswer;
pub use builder::{BoundServer, BuildServer, HandlerFactory, NoTasks, ServerBuilder};
pub use clock::{Clock, WallClock};
pub use counters::{ServerCounters, Turns};
pub use dispatch::{SharedDispatcher, contain, dispose};
pub use isolation::{CatchPanics, EndOnPanic, end_process};
pub use lifecycle::{ForceShutdown, HungShards, ShutdownReport};
#[cfg(feature = "program")]
pub use lifecycle::{Signals, program};
pub use listen::{Listener, StreamMode};
#[cfg(feature = "program")]
pub use live::LiveSettings;
pub use log::{EventLog, LimitLog};
pub use options::ServerOptions;
#[cfg(feature = "tokens")]
pub use public_key::{InvalidPublicKey, PublicKey};
pub use remote::{
    AcceptError, IncomingSocket, Pending, ReadSocket, RemoteEndpoint, ServerHandle, SocketOrigin,
    UpgradeFields, UpgradeHead,
};
#[cfg(feature = "program")]
pub use settings::{
    Endpoint, HandlerKind, LogFormat, Settings, SettingsError, Source, run_command,
};
pub use throttle::Throttle;
#[cfg(feature = "program")]
pub use tracing::level_filters::LevelFilter;
