//! Owns whether this process sleeps while it waits, and how long it has waited awake.
//!
//! A generator that sleeps has to be woken, which the server pays for: with every write
//! if it is a little slower than the generator, with hardly any if it is a little faster
//! and the generator never gets to sleep. So two servers that differ by a twentieth
//! would seem to differ by a third. With a core to itself the generator can stay awake.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

static ENABLED: AtomicBool = AtomicBool::new(false);
static WAIT_NANOS: AtomicU64 = AtomicU64::new(0);

/// From now on this process does not sleep while it waits for events.
pub(crate) fn enable_busy_wait() {
    ENABLED.store(true, Ordering::Relaxed);
}

pub(crate) fn is_busy_wait() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// So much time went into waiting, which is CPU time on a core of one's own.
pub(crate) fn add_wait_time(time: Duration) {
    WAIT_NANOS.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
}

/// How much has since the process began.
pub(super) fn wait_time() -> Duration {
    Duration::from_nanos(WAIT_NANOS.load(Ordering::Relaxed))
}
