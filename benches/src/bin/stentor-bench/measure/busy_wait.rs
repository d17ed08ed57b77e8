//! Busy waiting: whether this process polls without sleeping, and the time spent on it.
//!
//! The server pays for waking a generator that sleeps: with every write if the generator is
//! slightly faster, and almost never if it is slightly slower and does not get to sleep. Two
//! servers that differ by 5 % would then seem to differ by 30 %. On a core of its own the generator
//! can poll instead.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

static ENABLED: AtomicBool = AtomicBool::new(false);
static WAIT_NANOS: AtomicU64 = AtomicU64::new(0);

/// Makes this process poll instead of sleeping while it waits for events.
pub(crate) fn enable_busy_wait() {
    ENABLED.store(true, Ordering::Relaxed);
}

pub(crate) fn is_busy_wait() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Adds time that was spent polling. It is CPU time, but not work of the generator.
pub(crate) fn add_wait_time(time: Duration) {
    WAIT_NANOS.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
}

/// Returns the time spent polling since the process started.
pub(super) fn wait_time() -> Duration {
    Duration::from_nanos(WAIT_NANOS.load(Ordering::Relaxed))
}
