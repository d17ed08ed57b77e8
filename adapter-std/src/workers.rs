//! Workers: take tasks from the dispatcher, run them and return the outcome to the shard of the
//! submitting connection. Also the thread that runs the timers of the dispatcher.

use std::sync::PoisonError;

use stentor_core::id::WorkerId;
use stentor_core::tasks::{Attempt, Job, SharedTask, Wakeups, WorkerStep};
use stentor_core::{ConnId, Failure, Handler, TaskEnd};
use stentor_server::{Settings, SharedDispatcher, contain};

use crate::locked_shard::LockedShards;
use crate::primitive::Condvar;
use crate::stream::Stream;

/// Runs tasks. All workers share one value, concurrently.
pub trait Work<H: Handler>: Send + Sync + 'static {
    /// Runs one attempt at the task. A panic, here or in the clone of the task that is made before,
    /// fails the attempt and affects nothing else. The thread belongs to this worker alone, so the
    /// attempt may block.
    ///
    /// An attempt that takes longer than `--tasks.timeout` counts as failed, and its later result
    /// is ignored. A thread cannot be stopped by another one, so the worker is not available for
    /// other tasks until this returns.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the attempt failed; it says whether another attempt may succeed.
    fn run(&self, worker: WorkerId, task: &H::Task) -> Result<H::Outcome, Failure>;
}

/// The task dispatcher, and the means to wake the workers and the timer that wait for it.
pub(crate) struct WorkerPool<H: Handler> {
    pub(crate) dispatcher: SharedDispatcher<H::Task>,
    wakes: Condvar,
    /// Wakes the timer thread.
    alarm: Condvar,
}

impl<H: Handler> WorkerPool<H> {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            dispatcher: SharedDispatcher::new(
                &settings.config,
                settings.workers as u16, // at most 1,024
                settings.task_queue,
            ),
            wakes: Condvar::new(),
            alarm: Condvar::new(),
        }
    }

    /// Wakes sleeping workers and the timer.
    pub(crate) fn call(&self, calls: Wakeups) {
        for _ in 0..calls.workers {
            self.wakes.notify_one();
        }
        if calls.timer {
            self.alarm.notify_one();
        }
    }

    /// Makes delayed and retried tasks due at once.
    pub(crate) fn cancel_delays(&self) {
        self.call(self.dispatcher.cancel_delays());
    }

    /// Lets the workers end once there are no tasks left.
    pub(crate) fn drain(&self) {
        self.dispatcher.drain();
        self.wakes.notify_all();
        self.alarm.notify_one();
    }

    fn next(&self, worker: WorkerId) -> Option<Job<H::Task>> {
        let mut roster = self.dispatcher.lock();
        loop {
            let (next, calls) = roster.poll_step(self.dispatcher.clock().now(), worker);
            match next {
                WorkerStep::Run(job) => {
                    drop(roster);
                    self.call(calls);
                    return Some(job);
                }
                WorkerStep::Sleep => {
                    self.call(calls);
                    roster = self
                        .wakes
                        .wait(roster)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                WorkerStep::End => return None,
            }
        }
    }
}

/// Runs one worker until the dispatcher drains.
pub(crate) fn run<H: Handler, S: Stream, W: Work<H>>(
    worker: WorkerId,
    stations: &LockedShards<H, S>,
    work: &W,
) {
    keep(worker, stations, || serve(worker, stations, work));
}

/// Restarts a worker whenever it ends by a panic. Nothing is known to panic there, but if something
/// does, the worker is not lost.
fn keep<H: Handler, S: Stream>(worker: WorkerId, stations: &LockedShards<H, S>, serve: impl Fn()) {
    while contain(&serve).is_none() {
        let (calls, end) = stations.pool.dispatcher.restart(worker);
        stations.pool.call(calls);
        if let Some((conn, end)) = end {
            tell(stations, conn, end);
        }
    }
}

fn serve<H: Handler, S: Stream, W: Work<H>>(
    worker: WorkerId,
    stations: &LockedShards<H, S>,
    work: &W,
) {
    let pool = &stations.pool;
    while let Some(Job { conn, task, .. }) = pool.next(worker) {
        let attempt = attempt(worker, pool, work, task);
        let (calls, end) = pool.dispatcher.finish(worker, conn, attempt);
        pool.call(calls);
        if let Some(end) = end {
            tell(stations, conn, end);
        }
    }
}

/// Runs one attempt at a task. Of the values of the application only an outcome is left, and
/// nothing panics.
fn attempt<H: Handler, W: Work<H>>(
    worker: WorkerId,
    pool: &WorkerPool<H>,
    work: &W,
    shared: SharedTask<H::Task>,
) -> Attempt<H::Outcome> {
    let task = contain(|| H::Task::clone(&shared));
    pool.dispatcher.dispose(shared);
    let Some(task) = task else {
        return Attempt::Panicked;
    };
    let ended = contain(|| work.run(worker, &task));
    pool.dispatcher.dispose(task);
    ended.map_or(Attempt::Panicked, Attempt::Ended)
}

fn tell<H: Handler, S: Stream>(stations: &LockedShards<H, S>, conn: ConnId, end: TaskEnd<H>) {
    stations.handle_with(conn.shard(), |inside| {
        inside.shard.handle_task(inside.now, conn, end);
    });
}

/// Runs the timers of the dispatcher until it drains. This is not done by a worker, because all of
/// them may be running tasks that do not end.
pub(crate) fn watch_clock<H: Handler, S: Stream>(stations: &LockedShards<H, S>) {
    let pool = &stations.pool;
    let mut roster = pool.dispatcher.lock();
    while let Some(due) = roster.poll_due(pool.dispatcher.clock().now()) {
        if !due.is_empty() {
            drop(roster);
            pool.call(due.wakeups);
            for (conn, end) in pool.dispatcher.settle_due(due) {
                tell(stations, conn, end);
            }
            roster = pool.dispatcher.lock();
            continue;
        }
        roster = match due.until {
            None => pool
                .alarm
                .wait(roster)
                .unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.since(pool.dispatcher.clock().now());
                let waited = pool.alarm.wait_timeout(roster, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use stentor_core::node::ConnectionLimiter;
    use stentor_core::shard::Admission;
    use stentor_core::tasks::Submission;
    use stentor_core::{Context, Decision, HttpRequest, Message, ShardId, TaskOptions};

    use super::*;

    struct App;

    impl Handler for App {
        type State = ();
        type Task = ();
        type Outcome = ();

        fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
            Decision::accept(())
        }

        fn on_message(&mut self, _: &mut Context<'_, Self>, _: Message<'_>) {}
    }

    #[test]
    fn a_worker_that_ends_by_a_panic_begins_anew_and_its_task_is_told() {
        let args = ["stentor", "--tasks.attempts=1", "--shards=1"];
        let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
        let stations = LockedShards::<App, TcpStream>::new(
            &settings.config,
            WorkerPool::new(&settings),
            Arc::new(ConnectionLimiter::new(1, None)),
            Box::new(|_| App),
            &channel().0,
        );
        let mut task = None;
        stations.handle_with(ShardId(0), |inside| {
            let id = inside.shard.accept(inside.now, Admission::Normal);
            task = Some(id);
        });
        let conn = task.expect("a connection");
        let submission = |_| Submission {
            conn,
            task: (),
            options: TaskOptions::new(),
        };
        let (_, refused) = stations
            .pool
            .dispatcher
            .submit_all(&mut (0..2).map(submission).collect());
        assert!(refused.is_empty());
        let (worker, began) = (WorkerId(0), AtomicUsize::new(0));
        keep(worker, &stations, || {
            let (next, _) = stations.pool.dispatcher.next(worker);
            assert!(
                matches!(next, WorkerStep::Run(_)),
                "its task was not taken from it"
            );
            assert!(began.fetch_add(1, Ordering::Relaxed) == 1, "as asked");
        });
        let stats = stations.pool.dispatcher.stats();
        assert_eq!(
            (stats.workers_restarted, stats.panicked, stats.failed),
            (1, 1, 1)
        );
        let stats = stations.try_stats(ShardId(0)).expect("nobody has it");
        assert_eq!(stats.links.outcomes_gone, 1, "it was told");
    }
}
