//! Owns whether this process sleeps while it waits, and how long it has waited awake.
//!
//! A generator that sleeps has to be woken, which the server pays for: with every write
//! if it is a little slower than the generator, with hardly any if it is a little faster
//! and the generator never gets to sleep. So two servers that differ by a twentieth
//! would seem to differ by a third. With a core to itself the generator can stay awake.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

static IS_AWAKE: AtomicBool = AtomicBool::new(false);
static WAITED: AtomicU64 = AtomicU64::new(0);

/// From now on this process does not sleep while it waits for events.
pub(crate) fn stay_awake() {
    IS_AWAKE.store(true, Ordering::Relaxed);
}

pub(crate) fn is_awake() -> bool {
    IS_AWAKE.load(Ordering::Relaxed)
}

/// So much time went into waiting, which is CPU time on a core of one's own.
pub(crate) fn has_waited(time: Duration) {
    WAITED.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
}

/// How much has since the process began.
pub(super) fn waited() -> Duration {
    Duration::from_nanos(WAITED.load(Ordering::Relaxed))
}
