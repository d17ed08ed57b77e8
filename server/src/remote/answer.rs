//! The answer to a command, from the shard that gives it to the task or thread that waits.

use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use stentor_core::channels::{RemoteError, RemoteResult};

use crate::primitive::{Mutex, MutexGuard};

/// Returns both ends of an answer.
pub(super) fn answer() -> (AnswerSender, AnswerReceiver) {
    let shared = Arc::new(Mutex::new(AnswerState::Waiting(None)));
    (AnswerSender(shared.clone()), AnswerReceiver(shared))
}

/// Gives the answer. If it is dropped before, there will be none.
pub(super) struct AnswerSender(Arc<Mutex<AnswerState>>);

pub(super) struct AnswerReceiver(Arc<Mutex<AnswerState>>);

enum AnswerState {
    Waiting(Option<Waker>),
    Given(Result<RemoteResult, RemoteError>),
}

impl AnswerSender {
    pub(super) fn send(self, result: RemoteResult) {
        self.give(Ok(result));
    }

    fn give(&self, result: Result<RemoteResult, RemoteError>) {
        let mut state = lock(&self.0);
        let AnswerState::Waiting(waker) = &mut *state else {
            return;
        };
        let waker = waker.take();
        *state = AnswerState::Given(result);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for AnswerSender {
    fn drop(&mut self) {
        self.give(Err(RemoteError::Ended));
    }
}

impl AnswerReceiver {
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Result<RemoteResult, RemoteError>> {
        match &mut *lock(&self.0) {
            AnswerState::Waiting(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            AnswerState::Given(result) => Poll::Ready(*result),
        }
    }
}

fn lock(state: &Mutex<AnswerState>) -> MutexGuard<'_, AnswerState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
