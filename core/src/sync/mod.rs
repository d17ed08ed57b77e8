//! Everything that threads share: the only module of the core with atomics, locks and `Arc`. The
//! state machines themselves are plain `&mut self` and share nothing; what passes between them goes
//! through a [`Mailbox`] or in a [`SharedRef`], and `Semaphore` limits the commands that
//! application threads have in flight. Nothing here sleeps or wakes a thread: that is up to the
//! adapter.
//!
//! The tests named `loom_*` run twice: as plain tests on real threads, and, with `--cfg loom`, as
//! models that explore every interleaving with up to `LOOM_MAX_PREEMPTIONS` preemptions:
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test -p stentor-core --lib --release loom`

mod address_table;
mod atomic_counters;
mod gauge;
#[cfg(feature = "std")]
mod mailbox;
mod once_lock;
pub(crate) mod primitive;
mod semaphore;
mod shared_ref;

#[cfg(all(test, feature = "std"))]
mod loom_mailbox;
#[cfg(test)]
mod loom_semaphore;
#[cfg(test)]
mod loom_shared_ref;

pub(crate) use address_table::{Counted, LazyTable};
pub(crate) use atomic_counters::AtomicCounters;
pub(crate) use gauge::Gauge;
#[cfg(feature = "std")]
pub use mailbox::{Mailbox, MailboxClosed};
pub(crate) use once_lock::OnceLock;
pub(crate) use semaphore::{AcquireError, Semaphore};
pub use shared_ref::SharedRef;

/// Runs `body` as a loom model; without loom, a number of times on real threads.
#[cfg(test)]
pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    #[cfg(loom)]
    loom::model(body);
    #[cfg(not(loom))]
    for _ in 0..PLAIN_ROUNDS {
        body();
    }
}

#[cfg(all(test, not(loom)))]
const PLAIN_ROUNDS: usize = 64;
