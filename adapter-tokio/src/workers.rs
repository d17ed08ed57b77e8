//! Workers: take tasks from the dispatcher, run them and return the outcome to the shard of the
//! submitting connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};

use stentor_core::id::WorkerId;
use stentor_core::tasks::{Attempt, Job, SharedTask, Wakeups, WorkerStep};
use stentor_core::{Failure, Handler, Timestamp};
use stentor_server::{NoTasks, contain};
use tokio::task::consume_budget;
use tokio::time::timeout_at;

use crate::shard_handle::{DriverInput, ShardHandles};

/// Runs tasks. All workers share one value, concurrently.
pub trait Work<H: Handler>: Send + Sync + 'static {
    /// Runs one attempt at the task. A panic, here or in the clone of the task that is made before,
    /// fails the attempt and affects nothing else. The future runs on a thread that other workers
    /// share: blocking operations belong on a thread of their own.
    ///
    /// An attempt that takes longer than `--tasks.timeout` counts as failed, and the future is
    /// dropped at its current await point.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the attempt failed; it says whether another attempt may succeed.
    fn run(
        &self,
        worker: WorkerId,
        task: &H::Task,
    ) -> impl Future<Output = Result<H::Outcome, Failure>> + Send;
}

impl<H: Handler<Task = Infallible>> Work<H> for NoTasks {
    async fn run(&self, _: WorkerId, task: &Infallible) -> Result<H::Outcome, Failure> {
        match *task {}
    }
}

impl<H: Handler> ShardHandles<H> {
    /// Returns the output of an attempt, or `None` if its deadline passes first.
    async fn until_deadline<F: Future>(
        &self,
        worker: WorkerId,
        mut deadline: Timestamp,
        mut attempt: Pin<&mut F>,
    ) -> Option<F::Output> {
        let clock = self.state.clock();
        loop {
            let timed = timeout_at(clock.instant(deadline).into(), attempt.as_mut());
            if let Ok(ended) = timed.await {
                return Some(ended);
            }
            deadline = self.state.dispatcher.deadline(worker)?;
        }
    }

    /// Waits for the next job of a worker; returns `None` if the worker is to end.
    async fn job(
        &self,
        worker: WorkerId,
        mut given: (WorkerStep<H::Task>, Wakeups),
    ) -> Option<Job<H::Task>> {
        loop {
            let (next, calls) = given;
            self.wake_for(calls);
            match next {
                WorkerStep::Run(job) => return Some(job),
                WorkerStep::Sleep => self.worker_wakes.acquire().await.ok()?.forget(),
                WorkerStep::End => return None,
            }
            given = self.state.dispatcher.next(worker);
        }
    }
}

/// Runs one worker until the dispatcher drains.
pub(crate) async fn run<H: Handler, W: Work<H>>(
    worker: WorkerId,
    host: Arc<ShardHandles<H>>,
    work: Arc<W>,
) {
    keep(worker, &host, || serve(worker, &host, &*work)).await;
}

/// Restarts a worker whenever it ends by a panic. Nothing is known to panic there, but if something
/// does, the worker is not lost.
async fn keep<H: Handler, F: Future<Output = ()>>(
    worker: WorkerId,
    host: &ShardHandles<H>,
    serve: impl Fn() -> F,
) {
    while unwound(&serve).await.is_none() {
        let (calls, end) = host.state.dispatcher.restart(worker);
        host.wake_for(calls);
        if let Some((conn, end)) = end {
            host.post_input(conn.shard(), DriverInput::TaskEnd(conn, end));
        }
    }
}

async fn serve<H: Handler, W: Work<H>>(worker: WorkerId, host: &ShardHandles<H>, work: &W) {
    let mut given = host.state.dispatcher.next(worker);
    while let Some(job) = host.job(worker, given).await {
        let Job { conn, task, .. } = job;
        let attempt = attempt(worker, host, work, task, job.deadline).await;
        // Yields to other tasks on this thread, however many jobs there are. This happens before a
        // job is taken that could not be given to another worker.
        consume_budget().await;
        let mut pushed = Ok(false);
        // No thread waits for a task while it holds the lock of a mailbox.
        given = host
            .state
            .dispatcher
            .exchange(worker, conn, attempt, |end| {
                pushed = host.push(conn.shard(), DriverInput::TaskEnd(conn, end));
            });
        match pushed {
            Ok(true) => host.wake(conn.shard()),
            Ok(false) => {}
            // The shard has ended.
            Err(back) => host.state.dispatcher.dispose(back),
        }
    }
}

/// Runs one attempt at a task. Of the values of the application only an outcome is left, and
/// nothing panics.
async fn attempt<H: Handler, W: Work<H>>(
    worker: WorkerId,
    host: &ShardHandles<H>,
    work: &W,
    shared: SharedTask<H::Task>,
    deadline: Timestamp,
) -> Attempt<H::Outcome> {
    let task = contain(|| H::Task::clone(&shared));
    host.state.dispatcher.dispose(shared);
    let Some(task) = task else {
        return Attempt::Panicked;
    };
    let ended = run_until(deadline, worker, host, || work.run(worker, &task)).await;
    host.state.dispatcher.dispose(task);
    match ended {
        Some(Some(ended)) => Attempt::Ended(ended),
        Some(None) => Attempt::Panicked,
        None => Attempt::TimedOut,
    }
}

/// Returns the output of the future that `make` creates, `None` if its deadline passes first, and
/// `Some(None)` if it panics. Nothing is left of the future afterwards.
async fn run_until<H: Handler, F: Future>(
    deadline: Timestamp,
    worker: WorkerId,
    host: &ShardHandles<H>,
    make: impl FnOnce() -> F,
) -> Option<Option<F::Output>> {
    let mut future = pin!(contain(make));
    // Most futures are ready at once and need no timer.
    let polled = poll_fn(|context| Poll::Ready(poll_contained(&mut future, context))).await;
    let ended = match polled {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => {
            let rest = pin!(poll_fn(|context| poll_contained(&mut future, context)));
            host.until_deadline(worker, deadline, rest).await
        }
    };
    // A panic of the drop is caught here; at the end of this function it would not be.
    if contain(|| future.set(None)).is_none() {
        host.state.dispatcher.count_drop_panic();
    }
    ended
}

/// Returns the output of the future that `make` creates, or `None` if the creation, the future or
/// its drop panics.
async fn unwound<F: Future>(make: impl FnOnce() -> F) -> Option<F::Output> {
    let mut future = pin!(contain(make));
    let output = poll_fn(|context| poll_contained(&mut future, context)).await;
    contain(|| future.set(None)).and(output)
}

/// Polls the future, if there is one. Returns `None` as the output if there is none or if it
/// panics; it must not be polled again after that.
fn poll_contained<F: Future>(
    future: &mut Pin<&mut Option<F>>,
    context: &mut task::Context<'_>,
) -> Poll<Option<F::Output>> {
    let Some(future) = future.as_mut().as_pin_mut() else {
        return Poll::Ready(None);
    };
    match contain(|| future.poll(context)) {
        Some(poll) => poll.map(Some),
        None => Poll::Ready(None),
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use stentor_core::shard::Admission;
    use stentor_core::tasks::Submission;
    use stentor_core::{
        Config, ConnId, Context, Decision, HttpRequest, Message, Shard, ShardId, TaskOptions,
    };
    use stentor_server::host::{Host, ServerState};
    use stentor_server::{RemoteEndpoint, ServerOptions};
    use tokio::task::yield_now;

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

    struct Counting(AtomicUsize);

    impl Work<App> for Counting {
        async fn run(&self, _: WorkerId, (): &()) -> Result<(), Failure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    /// Handles to one shard, and a connection of it.
    fn handles(attempts: usize) -> (Arc<ShardHandles<App>>, ConnId) {
        let config = Config::builder().shards(1).task_attempts(attempts);
        let config = config.build().expect("valid");
        let conn =
            Shard::new(ShardId(0), &config, App).accept(Timestamp::ORIGIN, Admission::Normal);
        let remote = Arc::new(RemoteEndpoint::new(&config));
        let (state, _) = ServerState::new(&config, &ServerOptions::new(), remote);
        (Arc::new(ShardHandles::new(state)), conn)
    }

    #[tokio::test]
    async fn others_on_its_thread_have_a_turn_however_much_there_is_to_do() {
        const TASKS: usize = 1_000;
        let (host, conn) = handles(5);
        let submission = |_| Submission {
            conn,
            task: (),
            options: TaskOptions::new(),
        };
        let refused = host.submit_all(&mut (0..TASKS).map(submission).collect());
        assert!(refused.is_empty());
        let work = Arc::new(Counting(AtomicUsize::new(0)));
        let done = || work.0.load(Ordering::Relaxed);
        let worker = tokio::spawn(run(WorkerId(0), host.clone(), work.clone()));
        yield_now().await;
        assert!((1..TASKS).contains(&done()), "{} by then", done());
        host.drain_tasks();
        worker.await.expect("it ends");
        assert_eq!(done(), TASKS);
    }

    #[tokio::test]
    async fn a_worker_that_ends_by_a_panic_begins_anew_and_its_task_is_told() {
        let (host, conn) = handles(1);
        let submission = |_| Submission {
            conn,
            task: (),
            options: TaskOptions::new(),
        };
        let refused = host.submit_all(&mut (0..2).map(submission).collect());
        assert!(refused.is_empty());
        let (worker, began) = (WorkerId(0), AtomicUsize::new(0));
        keep(worker, &host, || async {
            let (next, _) = host.state.dispatcher.next(worker);
            assert!(
                matches!(next, WorkerStep::Run(_)),
                "its task was not taken from it"
            );
            assert!(began.fetch_add(1, Ordering::Relaxed) == 1, "as asked");
        })
        .await;
        let stats = host.state.dispatcher.stats();
        assert_eq!(
            (stats.workers_restarted, stats.panicked, stats.failed),
            (1, 1, 1)
        );
        let mut told = std::collections::VecDeque::new();
        host.take(ShardId(0), &mut told);
        assert!(
            matches!(&told.make_contiguous()[..], [DriverInput::TaskEnd(of, _)] if *of == conn)
        );
    }

    #[tokio::test]
    async fn a_panic_is_caught_before_the_future_is_there_and_in_it() {
        let fails = || -> u8 { panic!("as asked") };
        assert_eq!(unwound(|| ready(1)).await, Some(1));
        assert_eq!(unwound(|| ready(fails())).await, None);
        assert_eq!(unwound(|| async { fails() }).await, None);
    }
}
