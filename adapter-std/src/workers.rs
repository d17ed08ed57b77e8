//! Owns the workers: they take tasks from the dispatcher, run them and hand the
//! outcome to the shard of whoever asked. And the thread that does what is due there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Instant;

use stentor_cli::{Attempt, Calls, Desk, Next, Settings};
use stentor_core::{Failure, Handler, Job, WorkerId};

use crate::primitive::Condvar;
use crate::station::Stations;
use crate::stream::Stream;

/// What workers do with a task. One value serves all workers at once.
pub trait Work<H: Handler>: Send + Sync + 'static {
    /// Makes an attempt at the task. A panic fails the attempt and harms nothing else. The thread
    /// is this worker's own: it may block.
    ///
    /// An attempt that takes longer than `--task-timeout` counts as failed, and what comes of it
    /// later is ignored; but no thread can be ended from outside, so the worker is lost for
    /// others until this returns.
    ///
    /// # Errors
    /// That it failed, and whether another attempt may succeed.
    fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure>;
}

/// The tasks, and the means to wake whoever waits for them.
pub(crate) struct Pool<H: Handler> {
    pub(crate) desk: Desk<H::Task>,
    wakes: Condvar,
    /// For the thread that watches the clock.
    alarm: Condvar,
}

impl<H: Handler> Pool<H> {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            desk: Desk::new(settings),
            wakes: Condvar::new(),
            alarm: Condvar::new(),
        }
    }

    /// Wakes so many workers that sleep, and whoever watches the clock.
    pub(crate) fn call(&self, calls: Calls) {
        for _ in 0..calls.workers {
            self.wakes.notify_one();
        }
        if calls.clock {
            self.alarm.notify_one();
        }
    }

    /// Lets nothing wait for its time any more.
    pub(crate) fn hasten(&self) {
        self.call(self.desk.hasten());
    }

    /// Lets the workers end once nothing is left for them.
    pub(crate) fn drain(&self) {
        self.desk.drain();
        self.wakes.notify_all();
        self.alarm.notify_one();
    }

    fn next(&self, worker: WorkerId) -> Option<Job<H::Task>> {
        let mut roster = self.desk.roster();
        loop {
            let (next, calls) = roster.next(worker);
            match next {
                Next::Job(job) => {
                    drop(roster);
                    self.call(calls);
                    return Some(job);
                }
                Next::Sleep => {
                    self.call(calls);
                    roster = self
                        .wakes
                        .wait(roster)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Next::End => return None,
            }
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
        let attempt = catch_unwind(AssertUnwindSafe(|| work.run(worker, &task)));
        let attempt = attempt.map_or(Attempt::Panicked, Attempt::Ended);
        let (calls, end) = pool.desk.finish(worker, conn, attempt);
        pool.call(calls);
        if let Some(end) = end {
            stations.handle_with(conn.shard(), |inside| {
                inside.shard.handle_task(inside.now, conn, end);
            });
        }
    }
}

/// Does what is due at the dispatcher, until it drains. Not a worker's business: all of them may
/// be at a task that does not end.
pub(crate) fn watch_clock<H: Handler, S: Stream>(stations: &Stations<H, S>) {
    let pool = &stations.pool;
    let mut roster = pool.desk.roster();
    while let Some(due) = roster.tick() {
        if due.calls != Calls::default() || !due.ends.is_empty() {
            drop(roster);
            pool.call(due.calls);
            for (conn, end) in due.ends {
                stations.handle_with(conn.shard(), |inside| {
                    inside.shard.handle_task(inside.now, conn, end);
                });
            }
            roster = pool.desk.roster();
            continue;
        }
        roster = match due.until {
            None => pool
                .alarm
                .wait(roster)
                .unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let waited = pool.alarm.wait_timeout(roster, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
