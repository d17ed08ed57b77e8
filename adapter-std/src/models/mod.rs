//! Models of the hand-offs between the threads of a server, which must be correct in every
//! interleaving. They run the server's own code with a real shard; only the sockets are replaced
//! ([`socket`]) and, under loom, the synchronization primitives.
//!
//! The tests named `loom_*` run twice: as plain tests on real threads, and, with `--cfg loom`, as
//! models that explore every interleaving with up to `LOOM_MAX_PREEMPTIONS` preemptions:
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p stentor-std --lib --release loom`
//!
//! Under loom, a thread that sleeps forever is reported as a deadlock; a plain test hangs. Each
//! test documents a change to the server that makes it fail, and has been seen to fail with it.

mod close;
mod mail;
mod senders;
mod server;
mod shutdown;
mod socket;
mod wakes;

/// Runs `body` as a loom model; without loom, a number of times on real threads.
fn model(body: impl Fn() + Send + Sync + 'static) {
    #[cfg(loom)]
    {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound.get_or_insert(PREEMPTIONS);
        builder.max_branches = BRANCHES;
        // A shard does not fit onto the small stack of a model's first thread.
        let body = std::sync::Arc::new(body);
        builder.check(move || {
            let body = body.clone();
            let thread = crate::primitive::thread::Builder::new().spawn(move || body());
            thread.expect("a thread").join().expect("no panic");
        });
    }
    #[cfg(not(loom))]
    for _ in 0..PLAIN_ROUNDS {
        body();
    }
}

/// Unless the environment says otherwise.
#[cfg(loom)]
const PREEMPTIONS: usize = 2;
/// Far more than a model needs that ends.
#[cfg(loom)]
const BRANCHES: usize = 10_000;
#[cfg(not(loom))]
const PLAIN_ROUNDS: usize = 64;
