//! Containment of panics of the application, which the crate that drives a shard provides.

/// Runs code of the application so that a panic in it concerns nothing but the connection for
/// which it was called. The core cannot catch panics itself, since it is `no_std`.
pub trait Isolation {
    /// Runs `call`. Returns its result, or `None` if it panicked.
    fn run<R>(call: impl FnOnce() -> R) -> Option<R>;
}

/// Catches no panic: a panic of the application unwinds through the shard, which cannot be used
/// after that. For hosts without `std`, and for tests.
#[derive(Clone, Copy, Debug)]
pub struct NoIsolation;

impl Isolation for NoIsolation {
    #[inline(always)]
    fn run<R>(call: impl FnOnce() -> R) -> Option<R> {
        Some(call())
    }
}

/// What an application wants after one of its callbacks panicked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AfterPanic {
    /// The connection of the callback closes with 1011, behind what the callback had asked for.
    /// Everybody else goes on, and so does the handler.
    #[default]
    Continue,
    /// The server ends at once ([`Output::Abort`](crate::Output::Abort)): what the handler keeps
    /// cannot be trusted any more.
    Abort,
}
