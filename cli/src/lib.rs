//! What the server binaries share and the core must not know.
//!
//! This crate owns the [`Settings`] (flags, environment, file), the set-up of the [`log`], the
//! budget of file [`descriptors`], the text of the [`metrics`] and of the [`admin`] pages, and what
//! every adapter does alike:
//! how it [`listen`]s, which shard gets a socket ([`ConnectionLimiter`]), what a log says ([`EventLog`]), how
//! tasks are handed out ([`SharedDispatcher`]), how what is said from outside reaches a shard ([`Line`]), the
//! order of a shutdown ([`drain`]). Programs have their [`Signals`] from here. It keeps no socket,
//! has no runtime and no threads but those of the log and of signals, and it leaves every limit of
//! the core to [`stentor_core::Config`].
#![forbid(unsafe_code)]

pub mod admin;
mod clock;
mod connection_limiter;
mod contain;
mod deadline;
pub mod descriptors;
pub mod drain;
mod event_log;
mod hung_shards;
mod line;
pub mod listen;
pub mod log;
pub mod metrics;
mod outside;
mod program;
mod ready;
mod settings;
mod shared_dispatcher;
mod shutdown_report;
mod signals;
mod throttle;
mod turns;

pub use clock::Clock;
pub use connection_limiter::ConnectionLimiter;
pub use contain::{contain, dispose};
pub use deadline::Deadline;
pub use event_log::{EventLog, LimitLog};
pub use hung_shards::HungShards;
pub use line::{Line, Notifier, Shards};
pub use outside::Outside;
pub use program::program;
pub use ready::is_ready;
pub use settings::{Endpoint, HandlerKind, LogFormat, Settings, SettingsError, Source};
pub use shared_dispatcher::{Attempt, Due, Next, Roster, SharedDispatcher, Submission, Wakeups};
pub use shutdown_report::ShutdownReport;
pub use signals::Signals;
pub use throttle::Throttle;
pub use tracing::level_filters::LevelFilter;
pub use turns::Turns;
