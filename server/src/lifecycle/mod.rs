//! Life cycle of a server program: settings, signals, serving, stages of the shutdown, exit code.

mod deadline;
pub mod drain;
#[cfg(feature = "settings")]
mod program;
mod report;
mod signals;

pub use deadline::Deadline;
#[cfg(feature = "settings")]
pub use program::program;
pub use report::{HungShards, ShutdownReport};
pub use signals::Signals;
