//! Owns the choice between what the system offers to threads that share, sleep
//! and wake, and what stands for it in a model; the only file that makes it.
//! Owns no behaviour of its own.
//!
//! `Arc` is not among it: what the models are about is never decided by a count.

#[cfg(loom)]
mod mock;

#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(loom)]
pub(crate) use mock::{Clock, OnceLock, park_until, thread};

#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, atomic::AtomicBool};
#[cfg(not(loom))]
pub(crate) use std::thread;
#[cfg(not(loom))]
pub(crate) use stentor_server::Clock;

/// Sleeps until woken, or until that time has come.
#[cfg(not(loom))]
pub(crate) fn park_until(clock: &Clock, at: stentor_core::Timestamp) {
    let until = clock.instant(at);
    thread::park_timeout(until.saturating_duration_since(std::time::Instant::now()));
}
