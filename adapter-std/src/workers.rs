//! Owns the workers: they take tasks from the dispatcher, run them and hand the
//! outcome to the shard of whoever asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use stentor_core::{ConnId, DispatchStats, Dispatcher, Handler, Job, TaskEnd, WorkerId};
use tracing::error;

use crate::primitive::{Condvar, Mutex, MutexGuard};
use crate::station::Stations;
use crate::stream::Stream;

/// What workers do with a task. One value serves all workers at once.
pub trait Work<H: Handler>: Send + Sync + 'static {
    /// Does the task. A panic fails the task and harms nothing else. The thread
    /// is this worker's own: it may block.
    fn run(&self, worker: WorkerId, task: &H::Task) -> H::Outcome;
}

/// The dispatcher, and the means to wake whoever waits for it.
pub(crate) struct Pool<H: Handler> {
    dispatcher: Mutex<Dispatcher<H::Task>>,
    wakes: Condvar,
    workers: u16,
}

impl<H: Handler> Pool<H> {
    pub(crate) fn new(workers: u16, queue: usize) -> Self {
        Self {
            dispatcher: Mutex::new(Dispatcher::new(workers, queue)),
            wakes: Condvar::new(),
            workers,
        }
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = WorkerId> + use<H> {
        (0..self.workers).map(WorkerId)
    }

    /// Hands in a task; back if it is not taken. True if a worker is to be woken.
    pub(crate) fn submit(&self, conn: ConnId, task: H::Task) -> Result<bool, H::Task> {
        match self.dispatcher().handle_submit(conn, task) {
            Ok(submitted) => Ok(submitted.wake),
            Err(refused) => Err(refused.task),
        }
    }

    /// Wakes so many workers that sleep.
    pub(crate) fn wake(&self, workers: usize) {
        for _ in 0..workers {
            self.wakes.notify_one();
        }
    }

    pub(crate) fn stats(&self) -> DispatchStats {
        self.dispatcher().stats()
    }

    /// Lets the workers end once nothing is left for them.
    pub(crate) fn drain(&self) {
        self.dispatcher().handle_drain();
        self.wakes.notify_all();
    }

    /// Gives up what no worker has begun.
    pub(crate) fn abandon(&self) {
        let abandoned = self.dispatcher().abandon();
        drop(abandoned);
    }

    fn dispatcher(&self) -> MutexGuard<'_, Dispatcher<H::Task>> {
        // The dispatcher is whole between calls, whoever panicked there.
        self.dispatcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, worker: WorkerId) -> Option<Job<H::Task>> {
        let mut dispatcher = self.dispatcher();
        loop {
            if let Some(job) = dispatcher.poll_assign(worker) {
                return Some(job);
            }
            if dispatcher.is_draining() {
                return None;
            }
            dispatcher = self
                .wakes
                .wait(dispatcher)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One worker, until the dispatcher drains.
pub(crate) fn run<H: Handler, S: Stream, W: Work<H>>(
    worker: WorkerId,
    stations: &Stations<H, S>,
    work: &W,
) {
    let pool = &stations.pool;
    while let Some(Job { conn, task, .. }) = pool.next(worker) {
        let end = match catch_unwind(AssertUnwindSafe(|| work.run(worker, &task))) {
            Ok(outcome) => {
                pool.dispatcher().handle_done(worker);
                TaskEnd::Done(outcome)
            }
            Err(_) => {
                error!(%worker, %conn, "a task panicked");
                pool.dispatcher().handle_panic(worker);
                TaskEnd::Failed
            }
        };
        stations.handle_with(conn.shard(), |inside| {
            inside.shard.handle_task(inside.now, conn, end);
        });
    }
}
