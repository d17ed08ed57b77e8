//! Containment of panics of the application in callbacks, and the end of the process after a panic
//! that nobody can contain.

use std::thread;

use stentor_core::app::Isolation;
use tracing::error;

use crate::{contain, log};

/// Catches panics of callbacks and of destructors of the application, for the shards of a server.
#[derive(Clone, Copy, Debug)]
pub struct CatchPanics;

impl Isolation for CatchPanics {
    #[inline]
    fn run<R>(call: impl FnOnce() -> R) -> Option<R> {
        contain(call)
    }
}

/// Ends the process if it is dropped by a panic: what unwinds through a shard leaves it in a state
/// that nobody can go on with.
#[derive(Debug)]
#[must_use = "it guards what runs while it exists"]
pub struct EndOnPanic;

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            end_process("a shard has panicked");
        }
    }
}

/// Logs the reason, writes the log as far as that is possible at once, and ends the process like an
/// abort: the exit status and a core dump show that it did not end in order.
pub fn end_process(reason: &str) -> ! {
    error!(reason, "the process ends");
    log::flush();
    std::process::abort()
}
