//! Selection between the synchronization, sleep and wake-up primitives of the standard library and
//! their replacements for loom models. No other module makes this choice. Contains no behavior of
//! its own.
//!
//! `Arc` is not replaced: no property that the models check depends on a reference count.

#[cfg(loom)]
mod mock;

#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(loom)]
pub(crate) use mock::{MockClock as Clock, MockOnceLock as OnceLock, park_until, thread};

#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, atomic::AtomicBool};
#[cfg(not(loom))]
pub(crate) use std::thread;
#[cfg(not(loom))]
pub(crate) use stentor_server::Clock;

/// Sleeps until woken, or until the time `at`.
#[cfg(not(loom))]
pub(crate) fn park_until(clock: &Clock, at: stentor_core::Timestamp) {
    let until = clock.instant(at);
    thread::park_timeout(until.saturating_duration_since(std::time::Instant::now()));
}
