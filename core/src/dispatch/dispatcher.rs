//! Owns the dispatch machine: one queue, first in first out, and the state of
//! each worker. No clock, no threads; sleeping, waking and running are the adapter's.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem;

use super::job::{Job, Refusal, Refused, Submitted};
use crate::id::{ConnId, WorkerId};
use crate::stats::DispatchStats;

/// The worker-dispatch machine; one per process, behind one lock of the adapter's.
///
/// A worker's life is a loop: [`poll_assign`](Self::poll_assign); with a job, run it
/// outside the lock and report [`handle_done`](Self::handle_done) or
/// [`handle_panic`](Self::handle_panic); without one, sleep, or end if
/// [`is_draining`](Self::is_draining).
///
/// ```text
///            poll_assign: a job              poll_assign: a job
///   asleep ---------------------> busy <--------------------- awake
///     ^                            |                           ^ |
///     |                            +--- done, panic -----------+ |
///     +---------------- poll_assign: none -----------------------+
/// ```
///
/// **Waking.** [`Submitted::wake`] is `true` exactly when there are more workers
/// asleep than jobs that waited already, so each wake is for one more of them, and any
/// of them will do. Wakes must not be lost or merged between a worker's poll and its
/// sleep: a condition variable under the same lock will do, or a semaphore with one
/// permit a wake. Then no job waits while a worker sleeps and nobody is about to wake
/// it. A worker may also poll unasked.
///
/// **Counting.** At any instant `submitted = done + panicked + abandoned + waiting +
/// running`, as [`stats`](Self::stats) tells them.
pub struct Dispatcher<T> {
    queue: VecDeque<Job<T>>,
    limit: usize,
    workers: Vec<Worker>,
    asleep: usize,
    draining: bool,
    /// All but `waiting`, which is the length of the queue.
    counts: DispatchStats,
}

#[derive(Clone, Copy)]
enum Worker {
    Awake,
    Asleep,
    Busy(ConnId),
}

impl<T> Dispatcher<T> {
    /// A dispatcher for `workers` workers, counted from zero, with room for `limit`
    /// tasks besides those being run. With a limit of zero it refuses every task.
    pub fn new(workers: u16, limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            limit,
            workers: vec![Worker::Awake; workers.into()],
            asleep: 0,
            draining: false,
            counts: DispatchStats::default(),
        }
    }

    /// A connection hands a task in.
    ///
    /// # Errors
    /// The task itself and the reason, if the queue is full or the server is draining.
    pub fn handle_submit(&mut self, conn: ConnId, task: T) -> Result<Submitted, Refused<T>> {
        if self.draining {
            self.counts.refused_draining += 1;
            return Err(Refused {
                task,
                reason: Refusal::Draining,
            });
        }
        let waiting = self.queue.len();
        if waiting >= self.limit {
            self.counts.refused_full += 1;
            return Err(Refused {
                task,
                reason: Refusal::QueueFull,
            });
        }
        self.queue.push_back(Job { conn, task });
        self.counts.submitted += 1;
        Ok(Submitted {
            wake: self.asleep > waiting,
        })
    }

    /// A worker asks for its next job: the one that has waited longest. With `None` the
    /// worker counts as asleep until it asks again.
    ///
    /// A worker that still has a job must report it first; it gets `None`.
    pub fn poll_assign(&mut self, worker: WorkerId) -> Option<Job<T>> {
        let was_asleep = match self.worker(worker)? {
            Worker::Awake => false,
            Worker::Asleep => true,
            Worker::Busy(_) => {
                debug_assert!(
                    false,
                    "worker {worker} asks for a job before it has reported the last"
                );
                return None;
            }
        };
        let job = self.queue.pop_front();
        let now = match &job {
            Some(job) => Worker::Busy(job.conn),
            None => Worker::Asleep,
        };
        self.workers[usize::from(worker.0)] = now;
        match (was_asleep, job.is_some()) {
            (true, true) => self.asleep -= 1,
            (false, false) => self.asleep += 1,
            (true, false) | (false, true) => {}
        }
        self.counts.running += u64::from(job.is_some());
        job
    }

    /// A worker has run its job to the end.
    pub fn handle_done(&mut self, worker: WorkerId) {
        if self.release(worker).is_some() {
            self.counts.done += 1;
        }
    }

    /// A worker's job panicked. The worker itself goes on; the connection whose task
    /// failed is to be told.
    pub fn handle_panic(&mut self, worker: WorkerId) -> Option<ConnId> {
        let conn = self.release(worker)?;
        self.counts.panicked += 1;
        Some(conn)
    }

    /// The server shuts down: new tasks are refused, those that wait still run. The
    /// adapter wakes all workers, so that the idle ones can end.
    pub fn handle_drain(&mut self) {
        self.draining = true;
    }

    /// The time to shut down is up: hands back every job that has not begun, in order,
    /// and refuses new ones. They count as abandoned; jobs at a worker go on.
    pub fn abandon(&mut self) -> impl ExactSizeIterator<Item = Job<T>> + use<T> {
        self.draining = true;
        let queue = mem::take(&mut self.queue);
        self.counts.abandoned += queue.len() as u64;
        queue.into_iter()
    }

    /// Whether new tasks are refused: a worker that finds no job can end.
    pub const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether no job waits and none is at a worker.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.counts.running == 0
    }

    /// What was counted so far.
    pub fn stats(&self) -> DispatchStats {
        DispatchStats {
            waiting: self.queue.len() as u64,
            ..self.counts
        }
    }

    fn release(&mut self, worker: WorkerId) -> Option<ConnId> {
        let Worker::Busy(conn) = self.worker(worker)? else {
            debug_assert!(false, "worker {worker} reports a job that it does not have");
            return None;
        };
        self.workers[usize::from(worker.0)] = Worker::Awake;
        self.counts.running -= 1;
        Some(conn)
    }

    fn worker(&self, worker: WorkerId) -> Option<Worker> {
        let found = self.workers.get(usize::from(worker.0)).copied();
        debug_assert!(found.is_some(), "worker {worker} does not exist");
        found
    }
}

impl<T> fmt::Debug for Dispatcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("limit", &self.limit)
            .field("workers", &self.workers.len())
            .field("asleep", &self.asleep)
            .field("draining", &self.draining)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
