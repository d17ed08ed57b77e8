//! Owns the dispatcher of a server behind its lock, what is told of the end of a task, and who is
//! to be called for what. No code of the application runs under that lock, and none where a panic
//! would not be caught; nor is anything logged under it. How a worker waits for a task, what it runs on, and who watches the
//! clock, is the adapter's business.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};

use stentor_core::{
    AttemptEnd, AttemptResult, ConnId, DeadLetter, DispatchStats, Dispatcher, FailedTask, Failure,
    Handler, Job, Spent, SubmitErrorKind, TaskCounts, TaskEnd, TaskOptions, Timestamp, WorkerId,
};
use tracing::{debug, error, warn};

use crate::{Clock, Settings, Throttle, dispose};

/// Where tasks are handed in, and workers get them.
#[derive(Debug)]
pub struct SharedDispatcher<T> {
    roster: Mutex<Roster<T>>,
    workers: u16,
    clock: Clock,
    /// Tasks and outcomes whose end has panicked.
    drops_panicked: AtomicU64,
}

/// What the lock of a desk protects: the tasks, and who has to do with them.
#[derive(Debug)]
pub struct Roster<T> {
    dispatcher: Dispatcher<T>,
    clock: Clock,
    /// When whoever watches the clock looks here again without being called.
    armed: Option<Timestamp>,
    failures: Throttle,
    panics: Throttle,
}

/// A task that a connection hands in.
#[derive(Debug)]
pub struct Submission<T> {
    /// Whose it is.
    pub conn: ConnId,
    /// The task.
    pub task: T,
    /// How it is to be treated.
    pub options: TaskOptions,
}

/// Who is to be called once the lock is free again. Wakeups must not be lost, as [`Dispatcher`] says
/// of wakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use = "they sleep otherwise"]
pub struct Wakeups {
    /// So many workers that sleep.
    pub workers: usize,
    /// Whoever watches the clock: something is due earlier than was known.
    pub clock: bool,
}

/// What a worker is to do next.
#[derive(Debug)]
pub enum Next<T> {
    /// This.
    Job(Job<T>),
    /// Nothing until it is called.
    Sleep,
    /// End.
    End,
}

/// What became of an attempt at a task.
#[derive(Debug)]
pub enum Attempt<O> {
    /// The outcome, or that there is none.
    Ended(Result<O, Failure>),
    /// It panicked.
    Panicked,
    /// It was given up because its time was over.
    TimedOut,
}

impl<O> Attempt<O> {
    /// How it ended, and with what outcome.
    fn ended(self) -> (AttemptEnd, Option<O>) {
        match self {
            Self::Ended(Ok(outcome)) => (AttemptEnd::Done, Some(outcome)),
            Self::Ended(Err(failure)) => (AttemptEnd::Failed(failure), None),
            Self::Panicked => (AttemptEnd::Panicked, None),
            Self::TimedOut => (AttemptEnd::TimedOut, None),
        }
    }
}

/// What is to be done as time passes.
#[derive(Debug)]
#[must_use = "shards are to be told of ends"]
pub struct Due<T> {
    /// Who is to be called.
    pub calls: Wakeups,
    /// When the next look is due, if nobody calls before; at once where something is due.
    pub until: Option<Instant>,
    failed: Vec<(FailedTask, Option<u64>)>,
    spent: Vec<Spent<T>>,
}

impl<T> Due<T> {
    /// Whether there is nothing to do but wait.
    pub fn is_nothing(&self) -> bool {
        self.calls == Wakeups::default() && self.failed.is_empty() && self.spent.is_empty()
    }
}

/// What the end of an attempt leads to.
struct Report<H: Handler> {
    end: Option<TaskEnd<H>>,
    /// Whether the log has room for a line about a panic.
    panicked: Option<u64>,
    line: Line,
    /// What nobody is told, and what nobody needs any more.
    outcome: Option<H::Outcome>,
    spent: Option<Spent<H::Task>>,
}

/// A line of the log, for when the lock is free.
#[derive(Clone, Copy)]
enum Line {
    None,
    Again(AttemptEnd),
    /// With how many were held back before; or held back itself.
    Failed(FailedTask, Option<u64>),
}

impl<T> SharedDispatcher<T> {
    /// No tasks yet; as many workers as the settings say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let workers = settings.workers as u16; // at most 1,024
        let clock = Clock::start();
        let dispatcher = Dispatcher::new(workers, settings.worker_queue, &settings.config);
        Self {
            roster: Mutex::new(Roster {
                dispatcher,
                clock,
                armed: None,
                failures: Throttle::new(FAILURE_BURST, FAILURES),
                panics: Throttle::new(FAILURE_BURST, FAILURES),
            }),
            workers,
            clock,
            drops_panicked: AtomicU64::new(0),
        }
    }

    /// Every worker.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = WorkerId> + use<T> {
        (0..self.workers).map(WorkerId)
    }

    /// The clock that deadlines are told by.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Hands in tasks, in order. Leaves the buffer empty; says who is to be called, and which
    /// tasks of whom are not taken.
    pub fn submit_all(&self, tasks: &mut Vec<Submission<T>>) -> (Wakeups, Vec<(ConnId, T)>) {
        let now = self.clock.now();
        let (mut workers, mut refused) = (0, Vec::new());
        let mut roster = self.roster();
        for Submission {
            conn,
            task,
            options,
        } in tasks.drain(..)
        {
            match roster.dispatcher.handle_submit(now, conn, task, options) {
                Ok(submitted) => workers += usize::from(submitted.wake),
                Err(back) => refused.push((conn, back.task)),
            }
        }
        (roster.calls(workers), refused)
    }

    /// A worker has come to the end of an attempt at the task of a connection. Who is to be
    /// called, and what the shard of the connection is to be told, if anything, before the worker
    /// asks for its next job.
    pub fn finish<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
        conn: ConnId,
        attempt: Attempt<H::Outcome>,
    ) -> (Wakeups, Option<TaskEnd<H>>) {
        let ended = attempt.ended();
        let now = self.clock.now();
        let mut roster = self.roster();
        let mut report = roster.settle(now, worker, ended);
        let calls = roster.calls(0);
        drop(roster);
        let end = report.end.take();
        self.clear(worker, conn, report);
        (calls, end)
    }

    /// A worker has ended without a report, and begins anew: what it was at has panicked. Who is to
    /// be called, and what which shard is to be told, before it asks for its next job.
    pub fn restart<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
    ) -> (Wakeups, Option<(ConnId, TaskEnd<H>)>) {
        let now = self.clock.now();
        let mut roster = self.roster();
        let settled = roster.dispatcher.handle_restart(now, worker);
        let failed = match settled {
            Some(AttemptResult::FailedTask(lost)) => Some((lost, roster.admit_line())),
            _ => None,
        };
        let spent = roster.dispatcher.poll_spent();
        let (calls, line) = (roster.calls(0), roster.panics.admit(Instant::now()));
        drop(roster);
        if let Some(held_back) = line {
            error!(%worker, held_back, "a worker has ended, and begins anew");
        }
        self.dispose(spent);
        let end = failed.and_then(|(lost, held_back)| {
            log_failure(&lost, held_back);
            end_of(&lost)
        });
        (calls, end)
    }

    /// After [`Roster::tick`], once the lock is free: what shards are to be told before the next.
    pub fn settle_due<H: Handler<Task = T>>(
        &self,
        due: Due<T>,
    ) -> impl Iterator<Item = (ConnId, TaskEnd<H>)> + use<H, T> {
        for spent in due.spent {
            self.dispose(spent);
        }
        due.failed.into_iter().filter_map(|(lost, held_back)| {
            log_failure(&lost, held_back);
            end_of(&lost)
        })
    }

    /// Drops what is the application's. Whatever comes of that stays here, and is counted.
    pub fn dispose<V>(&self, value: V) {
        if !dispose(value) {
            self.count_drop_panic();
        }
    }

    /// Takes note of a panic in the drop of something of a task's.
    pub fn count_drop_panic(&self) {
        self.drops_panicked.fetch_add(1, Ordering::Relaxed);
    }

    /// Does what is left to do about the end of an attempt, once the lock is free.
    fn clear<H: Handler<Task = T>>(&self, worker: WorkerId, conn: ConnId, report: Report<H>) {
        if let Some(held_back) = report.panicked {
            error!(%worker, %conn, held_back, "a task panicked");
        }
        match report.line {
            Line::None => {}
            Line::Again(end) => debug!(%worker, %conn, ?end, "a task is tried again"),
            Line::Failed(lost, held_back) => log_failure(&lost, held_back),
        }
        // Most have nothing to drop but the task.
        if let Some(spent) = report.spent {
            self.dispose(spent);
        }
        if let Some(outcome) = report.outcome {
            self.dispose(outcome);
        }
    }

    /// As [`finish`](Self::finish) and [`Roster::next`], but under one lock, and so is `tell`,
    /// which is to tell the shard in between. It must not wait for anything that somebody holds
    /// who may come here.
    pub fn exchange<H: Handler<Task = T>>(
        &self,
        worker: WorkerId,
        conn: ConnId,
        attempt: Attempt<H::Outcome>,
        tell: impl FnOnce(TaskEnd<H>),
    ) -> (Next<T>, Wakeups) {
        let ended = attempt.ended();
        let now = self.clock.now();
        let mut roster = self.roster();
        let mut report = roster.settle(now, worker, ended);
        if let Some(end) = report.end.take() {
            tell(end);
        }
        let next = roster.next_at(now, worker);
        drop(roster);
        self.clear(worker, conn, report);
        next
    }

    /// Until when the attempt of a worker may take, for one that ends attempts by itself; `None`
    /// if it counts as failed.
    pub fn deadline(&self, worker: WorkerId) -> Option<Timestamp> {
        let now = self.clock.now();
        self.roster().dispatcher.poll_deadline(now, worker)
    }

    /// What is known of the tasks that failed for good and are kept, the oldest first, but of no
    /// more than `most`; and how many there are.
    pub fn dead_letters(&self, most: usize) -> (Vec<DeadLetter>, usize) {
        let roster = self.roster();
        let letters = roster.dispatcher.dead_letters();
        let all = letters.len();
        (letters.take(most).map(|(letter, _)| *letter).collect(), all)
    }

    /// Submits one of them again; none if it is not there. Whoever asked for it was told that it
    /// failed, and is not told again.
    ///
    /// # Errors
    /// It stays where it is, if it is not taken.
    pub fn resubmit(&self, id: u64) -> Result<Option<Wakeups>, SubmitErrorKind> {
        let now = self.clock.now();
        let mut roster = self.roster();
        let submitted = roster.dispatcher.handle_resubmit(now, id)?;
        Ok(submitted.map(|submitted| roster.calls(submitted.wake.into())))
    }

    /// [`resubmit`](Self::resubmit)s all of them, the oldest first, as far as there is room; says
    /// how many.
    pub fn resubmit_all(&self) -> (usize, Wakeups) {
        let now = self.clock.now();
        let mut roster = self.roster();
        let (tasks, wakes) = roster.dispatcher.handle_resubmit_all(now);
        (tasks, roster.calls(wakes))
    }

    /// Throws one of them away. False if it is not there.
    pub fn discard(&self, id: u64) -> bool {
        let taken = self.roster().dispatcher.take_dead_letter(id);
        let is_there = taken.is_some();
        // The lock is free again.
        self.dispose(taken);
        is_there
    }

    /// The tasks of a connection that have not ended. Others have the lock in between, so
    /// what ends or begins meanwhile may be counted or not.
    pub fn tasks_of(&self, conn: ConnId) -> TaskCounts {
        let (mut sum, mut from) = (TaskCounts::default(), 0);
        loop {
            let places = from..from + PLACES;
            let (counts, all) = self.roster().dispatcher.tasks_of(conn, places);
            sum += counts;
            from += PLACES;
            if from >= all {
                return sum;
            }
        }
    }

    /// What was counted.
    pub fn stats(&self) -> DispatchStats {
        let mut stats = self.roster().dispatcher.stats();
        stats.drops_panicked = self.drops_panicked.load(Ordering::Relaxed);
        stats
    }

    /// Before the shards are drained: nothing waits for its time any more.
    pub fn hasten(&self) -> Wakeups {
        let mut roster = self.roster();
        let wakes = roster.dispatcher.handle_hasten();
        roster.calls(wakes)
    }

    /// Takes no more tasks. Who sleeps is to be woken, and to end if there is nothing left; so is
    /// whoever watches the clock.
    pub fn drain(&self) {
        self.roster().dispatcher.handle_drain();
    }

    /// Gives up what is not finished, and says so.
    pub fn abandon(&self) {
        let abandoned = self.roster().dispatcher.abandon();
        let all = abandoned.len();
        let mut running = 0;
        for task in abandoned {
            running += usize::from(task.begun);
            self.dispose(task);
        }
        if all > 0 {
            let waiting = all - running;
            warn!(waiting, running, "tasks were not finished");
        }
    }

    /// What is behind the lock, for a worker that looks for a task and falls asleep in one, and
    /// for whoever watches the clock.
    pub fn roster(&self) -> MutexGuard<'_, Roster<T>> {
        // It is whole between calls, and nobody panics there but by a fault of ours.
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for SharedDispatcher<T> {
    /// Drops every task by itself: of several that panic, the second would end the process.
    fn drop(&mut self) {
        loop {
            let mut roster = self.roster();
            let oldest = roster.dispatcher.dead_letters().next();
            let Some(id) = oldest.map(|(letter, _)| letter.id) else {
                break;
            };
            let taken = roster.dispatcher.take_dead_letter(id);
            drop(roster);
            self.dispose(taken);
        }
        for task in self.roster().dispatcher.abandon() {
            self.dispose(task);
        }
    }
}

impl<T> Roster<T> {
    /// A worker asks for its next job. And who is to be called.
    pub fn next(&mut self, worker: WorkerId) -> (Next<T>, Wakeups) {
        self.next_at(self.clock.now(), worker)
    }

    fn next_at(&mut self, now: Timestamp, worker: WorkerId) -> (Next<T>, Wakeups) {
        let next = match self.dispatcher.poll_assign(now, worker) {
            Some(job) => Next::Job(job),
            None if self.dispatcher.is_draining() => Next::End,
            None => Next::Sleep,
        };
        (next, self.calls(0))
    }

    /// What an attempt's end means.
    fn settle<H: Handler<Task = T>>(
        &mut self,
        now: Timestamp,
        worker: WorkerId,
        (end, outcome): (AttemptEnd, Option<H::Outcome>),
    ) -> Report<H> {
        let settled = self.dispatcher.handle_end(now, worker, end);
        let mut report = Report {
            end: None,
            panicked: None,
            line: Line::None,
            outcome,
            spent: self.dispatcher.poll_spent(),
        };
        if end == AttemptEnd::Panicked {
            report.panicked = self.panics.admit(Instant::now());
        }
        match settled {
            AttemptResult::Done { tell: true } => {
                report.end = report.outcome.take().map(TaskEnd::Done);
            }
            AttemptResult::Done { tell: false } | AttemptResult::Late => {}
            AttemptResult::Again => report.line = Line::Again(end),
            AttemptResult::FailedTask(lost) => {
                report.end = end_of(&lost).map(|(_, end)| end);
                report.line = Line::Failed(lost, self.admit_line());
            }
        }
        report
    }

    /// Whether the log has room for a line about a task that failed: then how many were held back.
    fn admit_line(&mut self) -> Option<u64> {
        self.failures.admit(Instant::now())
    }

    /// Whoever watches the clock looks what is due. `None` if it is to end.
    pub fn tick(&mut self) -> Option<Due<T>> {
        if self.dispatcher.is_draining() {
            return None;
        }
        let workers = self.dispatcher.handle_timeout(self.clock.now());
        let mut failed = Vec::new();
        while let Some(lost) = self.dispatcher.poll_lost() {
            failed.push((lost, self.admit_line()));
        }
        let spent = std::iter::from_fn(|| self.dispatcher.poll_spent()).collect();
        self.armed = self.dispatcher.poll_timeout();
        Some(Due {
            calls: Wakeups {
                workers,
                clock: false,
            },
            failed,
            spent,
            until: self.armed.map(|at| self.clock.instant(at)),
        })
    }

    /// Who is to be called after something was done here.
    fn calls(&mut self, workers: usize) -> Wakeups {
        let next = self.dispatcher.poll_timeout();
        let is_earlier = next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed));
        if is_earlier {
            self.armed = next;
        }
        Wakeups {
            workers,
            clock: is_earlier,
        }
    }
}

/// What is told of a task that has failed for good, and to whom.
fn end_of<H: Handler>(lost: &FailedTask) -> Option<(ConnId, TaskEnd<H>)> {
    let &FailedTask {
        conn,
        cause,
        attempts,
        tell,
        ..
    } = lost;
    tell.then_some((conn, TaskEnd::Failed { cause, attempts }))
}

fn log_failure(lost: &FailedTask, held_back: Option<u64>) {
    if let Some(held_back) = held_back {
        let (conn, cause, attempts) = (lost.conn, lost.cause, lost.attempts);
        warn!(%conn, %cause, attempts, held_back, "a task failed");
    }
}

/// Lines about tasks that failed, and about attempts that panicked: at once, and a second.
const FAILURE_BURST: u32 = 10;
const FAILURES: u32 = 5;

/// Semaphore for tasks that are looked at under the lock at a time.
const PLACES: usize = 1_024;

#[cfg(test)]
mod tests {
    use stentor_core::proto::http::Request;
    use stentor_core::{Admission, Context, Decision, FailureCause, Message, Shard, ShardId};

    use super::*;

    struct App;

    impl Handler for App {
        type State = ();
        type Task = u8;
        type Outcome = u8;

        fn on_request(&mut self, _: &Request<'_>) -> Decision<()> {
            Decision::accept(())
        }

        fn on_message(&mut self, _: &mut Context<'_, Self>, _: Message<'_>) {}
    }

    const WORKER: WorkerId = WorkerId(0);
    const NOBODY: Wakeups = Wakeups {
        workers: 0,
        clock: false,
    };

    fn desk() -> (SharedDispatcher<u8>, ConnId) {
        let args = [
            "stentor",
            "--tasks.attempts=1",
            "--tasks.workers=2",
            "--tasks.queue=3",
        ];
        let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
        let mut shard = Shard::new(ShardId(0), &settings.config, App);
        let conn = shard.accept(Timestamp::ORIGIN, Admission::Normal);
        (SharedDispatcher::new(&settings), conn)
    }

    fn next(desk: &SharedDispatcher<u8>) -> (u8, Wakeups) {
        match desk.roster().next(WORKER) {
            (Next::Job(job), calls) => (*job.task, calls),
            (other, _) => panic!("no job: {other:?}"),
        }
    }

    fn submit(
        desk: &SharedDispatcher<u8>,
        conn: ConnId,
        task: u8,
        options: TaskOptions,
    ) -> Wakeups {
        let mut tasks = vec![Submission {
            conn,
            task,
            options,
        }];
        let (calls, refused) = desk.submit_all(&mut tasks);
        assert!(tasks.is_empty() && refused.is_empty(), "room");
        calls
    }

    #[test]
    fn who_sleeps_is_called_and_the_clock_only_for_what_is_earlier() {
        let (desk, conn) = desk();
        assert!(matches!(desk.roster().next(WORKER), (Next::Sleep, NOBODY)));
        let submit = |options| submit(&desk, conn, 1, options);
        let worker = Wakeups {
            workers: 1,
            ..NOBODY
        };
        let clock = Wakeups {
            clock: true,
            ..NOBODY
        };
        assert_eq!(submit(TaskOptions::new()), worker);
        assert_eq!(next(&desk), (1, clock), "its attempt may time out");
        let (calls, end) = desk.finish::<App>(WORKER, conn, Attempt::Ended(Ok(2)));
        assert!(matches!(end, Some(TaskEnd::Done(2))));
        assert_eq!(calls, NOBODY);
        // Later than what the clock waits for, and then earlier.
        let _ = submit(TaskOptions::new());
        assert_eq!(next(&desk), (1, NOBODY));
        let soon = TaskOptions::new().delay(std::time::Duration::from_secs(9));
        assert_eq!(submit(soon), clock);
        let due = desk.roster().tick().expect("it goes on");
        assert!(due.until.is_some() && due.is_nothing());
        assert_eq!(desk.hasten(), NOBODY, "nobody sleeps");
        desk.drain();
        assert!(desk.roster().tick().is_none());
    }

    #[test]
    fn what_finds_no_room_comes_back() {
        let (desk, conn) = desk();
        let options = TaskOptions::new();
        let most = 3u8;
        let submission = |task| Submission {
            conn,
            task,
            options,
        };
        let mut tasks: Vec<_> = (0..most + 2).map(submission).collect();
        let (calls, refused) = desk.submit_all(&mut tasks);
        assert_eq!((calls, tasks.len()), (NOBODY, 0));
        assert_eq!(refused, [(conn, most), (conn, most + 1)]);
        assert_eq!(desk.stats().waiting, u64::from(most));
        assert_eq!(desk.submit_all(&mut tasks), (NOBODY, Vec::new()));
    }

    #[test]
    fn an_end_is_told_before_the_next_of_its_line_begins() {
        let (desk, conn) = desk();
        let other = WorkerId(1);
        for task in [1, 2] {
            let _ = submit(&desk, conn, task, TaskOptions::new());
        }
        assert_eq!(next(&desk).0, 1);
        let is_asleep = |next| matches!(next, (Next::Sleep, NOBODY));
        assert!(is_asleep(desk.roster().next(other)), "they are of one line");
        let mut told = None;
        let done = Attempt::Ended(Ok(3));
        let tell = |end: TaskEnd<App>| told = Some((end, desk.roster.try_lock().is_err()));
        let (next, calls) = desk.exchange(WORKER, conn, done, tell);
        assert!(matches!(told, Some((TaskEnd::Done(3), true))));
        assert!(matches!(next, Next::Job(job) if *job.task == 2));
        assert_eq!(calls, NOBODY, "the clock waits for the first still");
        // Its attempt was the last, nothing is left, and then the server ends.
        let failed = Attempt::Ended(Err(Failure::Retry));
        let mut told = None;
        let next = desk.exchange::<App>(WORKER, conn, failed, |end| told = Some(end));
        assert!(is_asleep(next));
        assert!(matches!(told, Some(TaskEnd::Failed { attempts: 1, .. })));
        desk.drain();
        assert!(matches!(desk.roster().next(WORKER), (Next::End, NOBODY)));
    }

    #[test]
    fn what_has_failed_can_be_had_again_and_is_told_once() {
        let (desk, conn) = desk();
        for task in [1, 2, 3] {
            let calls = submit(&desk, conn, task, TaskOptions::new());
            assert_eq!(calls, NOBODY);
            assert_eq!(next(&desk).0, task);
            let attempt = Attempt::Ended(Err(Failure::Retry));
            let (_, end) = desk.finish::<App>(WORKER, conn, attempt);
            let cause = FailureCause::Failed;
            assert!(matches!(end, Some(TaskEnd::Failed { cause: of, attempts: 1 }) if of == cause));
        }
        let (letters, all) = desk.dead_letters(2);
        assert_eq!((letters.len(), all), (2, 3));
        assert_eq!(desk.resubmit(letters[1].id), Ok(Some(NOBODY)));
        assert_eq!(desk.resubmit(letters[1].id), Ok(None));
        assert!(desk.discard(letters[0].id) && !desk.discard(letters[0].id));
        assert_eq!(desk.resubmit_all(), (1, NOBODY));
        for task in [2, 3] {
            assert_eq!(next(&desk).0, task);
            let (_, end) = desk.finish::<App>(WORKER, conn, Attempt::Ended(Ok(task)));
            assert!(end.is_none());
        }
        assert_eq!(desk.dead_letters(2), (Vec::new(), 0));
    }
}
