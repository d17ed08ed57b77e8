//! Workers: take tasks from the dispatcher, run them and return the outcome to the shard of the
//! submitting connection.

use std::convert::Infallible;
use std::sync::PoisonError;

use stentor_core::id::WorkerId;
use stentor_core::tasks::{Attempt, Job, SharedTask, WorkerStep};
use stentor_core::{ConnId, Failure, Handler, TaskEnd};
use stentor_server::{NoTasks, contain};

use crate::locked_shard::LockedShards;
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

impl<H: Handler<Task = Infallible>> Work<H> for NoTasks {
    fn run(&self, _: WorkerId, task: &Infallible) -> Result<H::Outcome, Failure> {
        match *task {}
    }
}

impl<H: Handler, S: Stream> LockedShards<H, S> {
    /// Waits for the next job of a worker; returns `None` if the worker is to end.
    fn next_job(&self, worker: WorkerId) -> Option<Job<H::Task>> {
        let mut roster = self.state.dispatcher.lock();
        loop {
            let (next, calls) = roster.poll_step(self.state.dispatcher.clock().now(), worker);
            match next {
                WorkerStep::Run(job) => {
                    drop(roster);
                    self.wake_for(calls);
                    return Some(job);
                }
                WorkerStep::Sleep => {
                    self.wake_for(calls);
                    roster = self
                        .worker_wakes
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
    host: &LockedShards<H, S>,
    work: &W,
) {
    keep(worker, host, || serve(worker, host, work));
}

/// Restarts a worker whenever it ends by a panic. Nothing is known to panic there, but if something
/// does, the worker is not lost.
fn keep<H: Handler, S: Stream>(worker: WorkerId, host: &LockedShards<H, S>, serve: impl Fn()) {
    while contain(&serve).is_none() {
        let (calls, end) = host.state.dispatcher.restart(worker);
        host.wake_for(calls);
        if let Some((conn, end)) = end {
            tell(host, conn, end);
        }
    }
}

fn serve<H: Handler, S: Stream, W: Work<H>>(worker: WorkerId, host: &LockedShards<H, S>, work: &W) {
    while let Some(Job { conn, task, .. }) = host.next_job(worker) {
        let attempt = attempt(worker, host, work, task);
        let (calls, end) = host.state.dispatcher.finish(worker, conn, attempt);
        host.wake_for(calls);
        if let Some(end) = end {
            tell(host, conn, end);
        }
    }
}

/// Runs one attempt at a task. Of the values of the application only an outcome is left, and
/// nothing panics.
fn attempt<H: Handler, S: Stream, W: Work<H>>(
    worker: WorkerId,
    host: &LockedShards<H, S>,
    work: &W,
    shared: SharedTask<H::Task>,
) -> Attempt<H::Outcome> {
    let task = contain(|| H::Task::clone(&shared));
    host.state.dispatcher.dispose(shared);
    let Some(task) = task else {
        return Attempt::Panicked;
    };
    let ended = contain(|| work.run(worker, &task));
    host.state.dispatcher.dispose(task);
    ended.map_or(Attempt::Panicked, Attempt::Ended)
}

pub(crate) fn tell<H: Handler, S: Stream>(
    host: &LockedShards<H, S>,
    conn: ConnId,
    end: TaskEnd<H>,
) {
    host.handle_with(conn.shard(), |inside| {
        inside.shard.handle_task(inside.now, conn, end);
    });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use stentor_core::shard::Admission;
    use stentor_core::tasks::Submission;
    use stentor_core::{Config, Context, Decision, HttpRequest, Message, ShardId, TaskOptions};
    use stentor_server::host::ServerState;
    use stentor_server::{RemoteEndpoint, ServerOptions};

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
        let config = Config::builder().shards(1).task_attempts(1);
        let config = config.build().expect("valid");
        let remote = Arc::new(RemoteEndpoint::new(&config));
        let (state, _) = ServerState::new(&config, &ServerOptions::new(), remote);
        let host = LockedShards::<App, TcpStream>::new(&config, state, |_| App);
        let mut task = None;
        host.handle_with(ShardId(0), |inside| {
            let id = inside.shard.accept(inside.now, Admission::Normal);
            task = Some(id);
        });
        let conn = task.expect("a connection");
        let submission = |_| Submission {
            conn,
            task: (),
            options: TaskOptions::new(),
        };
        let (_, refused) = host
            .state
            .dispatcher
            .submit_all(&mut (0..2).map(submission).collect());
        assert!(refused.is_empty());
        let (worker, began) = (WorkerId(0), AtomicUsize::new(0));
        keep(worker, &host, || {
            let (next, _) = host.state.dispatcher.next(worker);
            assert!(
                matches!(next, WorkerStep::Run(_)),
                "its task was not taken from it"
            );
            assert!(began.fetch_add(1, Ordering::Relaxed) == 1, "as asked");
        });
        let stats = host.state.dispatcher.stats();
        assert_eq!(
            (stats.workers_restarted, stats.panicked, stats.failed),
            (1, 1, 1)
        );
        let stats = host.try_stats(ShardId(0)).expect("nobody has it");
        assert_eq!(stats.links.outcomes_gone, 1, "it was told");
    }
}
