//! Owns the models of the hand-offs between the threads of a server: what holds
//! however they take turns. The code that they run is the server's own, with a
//! real shard in it; only the sockets are the models' ([`socket`]), and with
//! loom the primitives.
//!
//! The tests named `loom_*` run twice: as plain tests on real threads, and, with
//! `--cfg loom`, as models in which every interleaving of up to that many
//! preemptions is tried:
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p stentor-std --lib --release loom`
//!
//! Whoever sleeps for good is reported as a deadlock there; a plain test hangs.
//! Each says at which change to the server it fails, and has been seen to.

mod close;
mod mail;
mod remote;
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
