//! Parts of a Stentor server that both server binaries share.
//!
//! - [`Settings`]: flags, environment and file, checked and typed.
//! - [`program()`] and [`lifecycle`]: signals, report of the shutdown, exit code.
//! - [`log`]: log lines and their bounded queue.
//! - [`metrics`] and [`admin`]: the metrics page, the admin pages and their listener. They query an
//!   adapter through [`inspect::AdminBackend`].
//! - [`listen`] and [`socket`]: listeners and socket options.
//! - [`SharedDispatcher`]: the task scheduler behind a lock.
//! - [`CatchPanics`]: containment of panics in callbacks.
//! - [`RemoteEndpoint`]: path of commands from application threads to shards.
//!
//! It has no runtime, and no sockets and threads but those of the admin listener, the log and the
//! signals. The limits of the core are in [`stentor_core::Config`].
//!
//! # Features
//! Both are on by default, and needed by the binaries only.
//! - `settings`: settings from flags, environment and file. Without it, there is
//!   [`Settings::default`].
//! - `metrics`: the metrics page. Without it, `/metrics` is 404.
#![forbid(unsafe_code)]

pub mod admin;
mod clock;
pub mod counters;
pub mod dispatch;
pub mod inspect;
mod isolation;
pub mod lifecycle;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod pages;
mod remote;
mod settings;
pub mod socket;
mod throttle;

pub use clock::{Clock, WallClock};
pub use counters::{ServerCounters, Turns};
pub use dispatch::{SharedDispatcher, contain, dispose};
pub use isolation::{CatchPanics, EndOnPanic, end_process};
#[cfg(feature = "settings")]
pub use lifecycle::program;
pub use lifecycle::{HungShards, ShutdownReport, Signals};
pub use log::{EventLog, LimitLog};
pub use remote::{Notifier, RemoteEndpoint, ShardRouter, Shards};
pub use settings::{Endpoint, HandlerKind, LogFormat, Settings, SettingsError, Source};
pub use throttle::Throttle;
pub use tracing::level_filters::LevelFilter;
