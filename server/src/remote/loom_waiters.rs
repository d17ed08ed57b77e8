//! Models of the wait for a permit: every waiter is woken when one is free or when the server ends. They
//! run as plain tests on real threads, and with `--cfg loom` in every interleaving.

use std::sync::Arc;
use std::task::{Context, Waker};

use stentor_core::Config;
use stentor_core::channels::RemoteError;

use super::{RemoteEndpoint, ServerHandle};

#[cfg(loom)]
use loom::thread;
#[cfg(not(loom))]
use std::thread;

fn model(body: impl Fn() + Send + Sync + 'static) {
    #[cfg(loom)]
    {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound.get_or_insert(2);
        builder.check(body);
    }
    #[cfg(not(loom))]
    for _ in 0..64 {
        body();
    }
}

/// An endpoint with one permit.
fn endpoint() -> RemoteEndpoint {
    let config = Config::builder().shards(1).seed(1).remote_commands(1);
    RemoteEndpoint::new(&config.build().expect("in range"))
}

fn reserve(handle: ServerHandle) -> thread::JoinHandle<Result<(), RemoteError>> {
    thread::spawn(move || handle.reserve().wait().map(drop))
}

/// Fails if a permit that is released wakes nobody, and if `Reserve` does not check again after it has
/// entered.
#[test]
fn loom_every_waiter_gets_the_permit() {
    model(|| {
        let endpoint = endpoint();
        let threads = [0, 1].map(|_| reserve(endpoint.handle()));
        endpoint.server_end.begin();
        for thread in threads {
            let reserved = thread.join().expect("a model does not panic");
            assert_eq!(reserved, Ok(()));
        }
        assert!(endpoint.is_idle());
    });
}

/// Fails if the end wakes only one.
#[test]
fn loom_every_waiter_learns_that_there_will_be_no_permit() {
    model(|| {
        let endpoint = Arc::new(endpoint());
        let threads = [0, 1].map(|_| reserve(endpoint.handle()));
        drop(endpoint);
        for thread in threads {
            let reserved = thread.join().expect("a model does not panic");
            assert_eq!(reserved, Err(RemoteError::Ended));
        }
    });
}

/// Fails if a waiter that leaves after it was woken wakes nobody in its place.
#[test]
fn loom_a_waiter_that_leaves_does_not_keep_a_wake_up() {
    model(|| {
        let endpoint = endpoint();
        endpoint.server_end.begin();
        let handle = endpoint.handle();
        let permit = handle.try_reserve().expect("it is free");
        let leaving = thread::spawn(move || {
            let mut first = handle.permit();
            let mut context = Context::from_waker(Waker::noop());
            let polled = Future::poll(std::pin::Pin::new(&mut first), &mut context);
            // Dropped with the permit, if it has that.
            drop((polled, first));
        });
        let waiting = reserve(endpoint.handle());
        drop(permit);
        leaving.join().expect("a model does not panic");
        let reserved = waiting.join().expect("a model does not panic");
        assert_eq!(reserved, Ok(()));
    });
}
