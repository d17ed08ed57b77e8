//! Life cycle of a server: serving, the stages of the shutdown, the report; and of a program around it:
//! settings, signals, exit code.

#[cfg(all(feature = "program", feature = "tls"))]
mod certificates;
#[cfg(feature = "program")]
mod notify;
#[cfg(feature = "program")]
mod pages;
#[cfg(feature = "program")]
mod program;
#[cfg(feature = "program")]
mod reload;
mod report;
mod serve;
#[cfg(feature = "program")]
mod signals;

#[cfg(feature = "program")]
pub use program::program;
pub use report::{HungShards, ShutdownReport};
pub use serve::{Ending, EndingNotice, ForceShutdown, Threads, serve, wait_until};
#[cfg(feature = "program")]
pub use signals::Signals;
