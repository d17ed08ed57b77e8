//! Log of the process: lines about connections, and, for a program, their formatting, a bounded queue,
//! and a thread that writes to standard error.
//!
//! A thread that logs puts a line into the queue and continues. If the destination is slow, blocked,
//! closed or full, lines are dropped and counted, without other effects. `tracing-appender` does the
//! same, but bounds only the number of lines, allocates for each, and depends on a channel crate.

mod events;
#[cfg(feature = "program")]
pub(crate) mod level;
#[cfg(feature = "program")]
mod panic;
#[cfg(feature = "program")]
mod queue;
#[cfg(feature = "program")]
mod stderr;
#[cfg(feature = "program")]
mod writer;

pub use events::{EventLog, LimitLog};
#[cfg(feature = "program")]
pub(crate) use stderr::flush;
#[cfg(feature = "program")]
pub use stderr::{LogGuard, dropped_lines, init};

/// Does nothing: the log is the embedder's.
#[cfg(not(feature = "program"))]
pub(crate) const fn flush() {}
