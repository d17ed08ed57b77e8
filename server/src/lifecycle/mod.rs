//! Life cycle of a server program: settings, signals, serving, exit code.

#[cfg(feature = "settings")]
mod program;
mod report;
mod signals;

#[cfg(feature = "settings")]
pub use program::program;
pub use report::{HungShards, ShutdownReport};
pub use signals::Signals;
