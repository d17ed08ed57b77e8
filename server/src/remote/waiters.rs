//! Tasks and threads that wait for a permit, first come, first served; and the wait of a thread for a
//! future.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::primitive::{Condvar, Mutex, MutexGuard};

/// Those who wait.
#[derive(Default)]
pub(super) struct PermitWaiters(Mutex<WaitList>);

#[derive(Default)]
struct WaitList {
    next: u64,
    waiting: VecDeque<(u64, Waker)>,
}

impl PermitWaiters {
    /// Adds a waiter, or changes how it is woken. Called before it checks for what it waits for, so
    /// that no wake-up in between is missed.
    pub(super) fn enter(&self, place: &mut Option<u64>, waker: &Waker) {
        let mut list = self.lock();
        let own = place.and_then(|place| list.waiting.iter_mut().find(|(of, _)| *of == place));
        match own {
            Some((_, own)) => own.clone_from(waker),
            None => {
                // The last wake-up is used up.
                list.next += 1;
                *place = Some(list.next);
                let entry = (list.next, waker.clone());
                list.waiting.push_back(entry);
            }
        }
    }

    /// Removes a waiter. If it has been woken, the next one is, which may have what this one has
    /// left.
    pub(super) fn leave(&self, place: &mut Option<u64>) {
        let Some(place) = place.take() else {
            return;
        };
        let mut list = self.lock();
        let at = list.waiting.iter().position(|(of, _)| *of == place);
        let removed = at.and_then(|at| list.waiting.remove(at));
        drop(list);
        if removed.is_none() {
            self.wake_one();
        }
    }

    /// Wakes the one that has waited for longest.
    pub(super) fn wake_one(&self) {
        let first = self.lock().waiting.pop_front();
        // The lock is released.
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }

    /// Wakes all.
    pub(super) fn wake_all(&self) {
        let all = core::mem::take(&mut self.lock().waiting);
        all.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, WaitList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blocks this thread until a future is ready.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let signal = Arc::new(Signal::default());
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        signal.wait();
    }
}

/// A wake-up that a thread waits for. Not the token of the thread, which code of the application
/// may use.
#[derive(Default)]
struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn wait(&self) {
        let mut is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        while !core::mem::take(&mut *is_set) {
            let waited = self.changed.wait(is_set);
            is_set = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}
