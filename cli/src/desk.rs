//! Owns the dispatcher of a server behind its lock, and what is told of the end of a task. How a
//! worker waits for one, and what it runs on, is the adapter's business.

use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};

use stentor_core::{ConnId, DispatchStats, Dispatcher, Handler, TaskEnd, WorkerId};
use tracing::error;

use crate::Settings;

/// Where tasks are handed in, and workers get them.
#[derive(Debug)]
pub struct Desk<T> {
    dispatcher: Mutex<Dispatcher<T>>,
    workers: u16,
}

impl<T> Desk<T> {
    /// No tasks yet; as many workers as the settings say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let workers = settings.workers as u16; // at most 1,024
        Self {
            dispatcher: Mutex::new(Dispatcher::new(workers, settings.worker_queue)),
            workers,
        }
    }

    /// Every worker.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = WorkerId> + use<T> {
        (0..self.workers).map(WorkerId)
    }

    /// Hands in a task. True if a worker is to be woken for it.
    ///
    /// # Errors
    /// The task, if it is not taken.
    pub fn submit(&self, conn: ConnId, task: T) -> Result<bool, T> {
        match self.dispatcher().handle_submit(conn, task) {
            Ok(submitted) => Ok(submitted.wake),
            Err(refused) => Err(refused.task),
        }
    }

    /// A worker has run the task of a connection, to this outcome or, if it panicked, none. What
    /// the shard of the connection is to be told.
    pub fn finish<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
        conn: ConnId,
        outcome: Option<H::Outcome>,
    ) -> TaskEnd<H> {
        if let Some(outcome) = outcome {
            self.dispatcher().handle_done(worker);
            TaskEnd::Done(outcome)
        } else {
            error!(%worker, %conn, "a task panicked");
            self.dispatcher().handle_panic(worker);
            TaskEnd::Failed
        }
    }

    /// What was counted.
    pub fn stats(&self) -> DispatchStats {
        self.dispatcher().stats()
    }

    /// Takes no more tasks. Who sleeps is to be woken, and to end if there is nothing left.
    pub fn drain(&self) {
        self.dispatcher().handle_drain();
    }

    /// Gives up what no worker has begun.
    pub fn abandon(&self) {
        let abandoned = self.dispatcher().abandon();
        // Outside the lock: it is an application's.
        drop(abandoned);
    }

    /// The dispatcher itself, for a worker that looks for a task and falls asleep in one. What it
    /// then did is for [`finish`](Self::finish).
    pub fn dispatcher(&self) -> MutexGuard<'_, Dispatcher<T>> {
        // It is whole between calls, whoever panicked there.
        self.dispatcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
