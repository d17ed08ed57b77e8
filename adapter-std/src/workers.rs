//! Owns the workers: they take tasks from the dispatcher, run them and hand the
//! outcome to the shard of whoever asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use stentor_cli::{Desk, Settings};
use stentor_core::{Handler, Job, WorkerId};

use crate::primitive::Condvar;
use crate::station::Stations;
use crate::stream::Stream;

/// What workers do with a task. One value serves all workers at once.
pub trait Work<H: Handler>: Send + Sync + 'static {
    /// Does the task. A panic fails the task and harms nothing else. The thread
    /// is this worker's own: it may block.
    fn run(&self, worker: WorkerId, task: &H::Task) -> H::Outcome;
}

/// The tasks, and the means to wake whoever waits for them.
pub(crate) struct Pool<H: Handler> {
    pub(crate) desk: Desk<H::Task>,
    wakes: Condvar,
}

impl<H: Handler> Pool<H> {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            desk: Desk::new(settings),
            wakes: Condvar::new(),
        }
    }

    /// Wakes so many workers that sleep.
    pub(crate) fn wake(&self, workers: usize) {
        for _ in 0..workers {
            self.wakes.notify_one();
        }
    }

    /// Lets the workers end once nothing is left for them.
    pub(crate) fn drain(&self) {
        self.desk.drain();
        self.wakes.notify_all();
    }

    fn next(&self, worker: WorkerId) -> Option<Job<H::Task>> {
        let mut dispatcher = self.desk.dispatcher();
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
        let outcome = catch_unwind(AssertUnwindSafe(|| work.run(worker, &task))).ok();
        let end = pool.desk.finish(worker, conn, outcome);
        stations.handle_with(conn.shard(), |inside| {
            inside.shard.handle_task(inside.now, conn, end);
        });
    }
}
