//! Owns the workers: they take tasks from the dispatcher, run them and hand the
//! outcome to the shard of whoever asked.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use stentor_cli::{Desk, Settings};
use stentor_core::{ConnId, Handler, Job, WorkerId};
use tokio::sync::Semaphore;

use crate::door::{Doors, Post};

/// What workers do with a task. One value serves all workers at once.
pub trait Work<H: Handler>: Send + Sync + 'static {
    /// Does the task. A panic fails the task and harms nothing else. It runs on
    /// a thread that other workers share: what blocks belongs on a thread of its own.
    fn run(&self, worker: WorkerId, task: &H::Task) -> impl Future<Output = H::Outcome> + Send;
}

/// The tasks, and the means to wake whoever waits for them.
pub(crate) struct Pool<H: Handler> {
    pub(crate) desk: Desk<H::Task>,
    /// A permit for every wake-up that the dispatcher owes a sleeping worker.
    wakes: Semaphore,
}

impl<H: Handler> Pool<H> {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            desk: Desk::new(settings),
            wakes: Semaphore::new(0),
        }
    }

    /// Hands in a task; back if it is not taken.
    pub(crate) fn submit(&self, conn: ConnId, task: H::Task) -> Result<(), H::Task> {
        if self.desk.submit(conn, task)? {
            self.wakes.add_permits(1);
        }
        Ok(())
    }

    /// Lets the workers end once nothing is left for them.
    pub(crate) fn drain(&self) {
        self.desk.drain();
        self.wakes.add_permits(self.desk.workers().len());
    }

    async fn next(&self, worker: WorkerId) -> Option<Job<H::Task>> {
        loop {
            {
                let mut dispatcher = self.desk.dispatcher();
                if let Some(job) = dispatcher.poll_assign(worker) {
                    return Some(job);
                }
                if dispatcher.is_draining() {
                    return None;
                }
            }
            match self.wakes.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => return None,
            }
        }
    }
}

/// One worker, until the dispatcher drains.
pub(crate) async fn run<H: Handler, W: Work<H>>(
    worker: WorkerId,
    pool: Arc<Pool<H>>,
    doors: Arc<Doors<H>>,
    work: Arc<W>,
) {
    while let Some(Job { conn, task, .. }) = pool.next(worker).await {
        let outcome = unwound(caught(|| work.run(worker, &task))).await;
        let end = pool.desk.finish(worker, conn, outcome);
        doors.post(conn.shard(), Post::TaskEnd(conn, end));
    }
}

/// The future's output; `None` if it panics, or has before there was one.
async fn unwound<F: Future>(future: Option<F>) -> Option<F::Output> {
    let mut future = pin!(future?);
    // After a panic it is dropped and not polled again.
    poll_fn(|context| match caught(|| future.as_mut().poll(context)) {
        Some(poll) => poll.map(Some),
        None => Poll::Ready(None),
    })
    .await
}

/// What the work results in; `None` if it panics.
fn caught<R>(work: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_caught_before_the_future_is_there_and_in_it() {
        let fails = || -> u8 { panic!("as asked") };
        assert_eq!(unwound(caught(|| ready(1))).await, Some(1));
        assert_eq!(unwound(caught(|| ready(fails()))).await, None);
        assert_eq!(unwound(caught(|| async { fails() })).await, None);
    }
}
