//! Tests of the edges of the dispatcher. `compare` tests it under random operations.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use crate::config::Config;
use crate::id::{ConnId, ShardId, WorkerId};
use crate::tasks::*;
use crate::time::Timestamp;

/// Submits a task of this connection, which must be taken. Returns whether a worker is to be woken.
fn submit<T: core::fmt::Debug>(dispatcher: &mut Dispatcher<T>, of: u32, task: T) -> bool {
    let submitted = dispatcher.handle_submit(at(0), conn(of), task, TaskOptions::new());
    submitted.expect("room").wake
}

fn next<T: Copy>(dispatcher: &mut Dispatcher<T>, worker: u16) -> Option<T> {
    let job = dispatcher.poll_assign(at(0), WorkerId(worker));
    job.map(|job| *job.task)
}

#[test]
fn a_full_queue_refuses_the_next_task() {
    let mut dispatcher = Dispatcher::new(1, 2, &config(8));
    submit(&mut dispatcher, 0, "a");
    submit(&mut dispatcher, 1, "b");
    let refuse = |dispatcher: &mut Dispatcher<_>, task| {
        let taken = dispatcher.handle_submit(at(0), conn(2), task, TaskOptions::new());
        let refused = taken.expect_err("two wait already");
        (refused.task, refused.reason)
    };
    assert_eq!(
        refuse(&mut dispatcher, "c"),
        ("c", SubmitErrorKind::QueueFull)
    );
    // A job at a worker is not waiting.
    assert_eq!(next(&mut dispatcher, 0), Some("a"));
    submit(&mut dispatcher, 3, "d");
    assert_eq!(
        refuse(&mut dispatcher, "e"),
        ("e", SubmitErrorKind::QueueFull)
    );
    assert_eq!(dispatcher.stats().refused_full, 2);
}

#[test]
fn tasks_are_counted_per_connection() {
    let mut dispatcher = Dispatcher::new(2, 8, &config(8));
    for (of, task) in [(0, "a"), (0, "b"), (0, "c"), (1, "d")] {
        submit(&mut dispatcher, of, task);
    }
    let later = TaskOptions::new().delay(Duration::from_secs(1));
    let taken = dispatcher.handle_submit(at(0), conn(0), "e", later);
    assert!(taken.is_ok());
    assert_eq!(next(&mut dispatcher, 0), Some("a"));
    assert_eq!(next(&mut dispatcher, 1), Some("d"));
    let counts = |dispatcher: &Dispatcher<_>, of| {
        let (mut counts, all) = dispatcher.tasks_of(conn(of), 0..2);
        counts += dispatcher.tasks_of(conn(of), 2..all).0;
        (counts.waiting, counts.delayed, counts.running)
    };
    assert_eq!(counts(&dispatcher, 0), (2, 1, 1));
    assert_eq!(counts(&dispatcher, 1), (0, 0, 1));
    assert_eq!(counts(&dispatcher, 2), (0, 0, 0));
    // A retry counts as delayed, and a done task not at all.
    let failed = AttemptEnd::Failed(Failure::Retry);
    let result = dispatcher.handle_end(at(0), WorkerId(0), failed);
    assert_eq!(result, AttemptResult::Retry);
    assert_eq!(counts(&dispatcher, 0), (2, 2, 0));
    let _ = dispatcher.handle_end(at(0), WorkerId(1), AttemptEnd::Done);
    assert_eq!(counts(&dispatcher, 1), (0, 0, 0));
}

#[test]
fn a_limit_of_zero_refuses_everything() {
    let mut dispatcher = Dispatcher::new(1, 0, &config(8));
    assert_eq!(next(&mut dispatcher, 0), None);
    let taken = dispatcher.handle_submit(at(0), conn(0), (), TaskOptions::new());
    assert!(taken.is_err());
}

#[test]
fn draining_refuses_new_tasks_and_finishes_accepted_ones() {
    let mut dispatcher = Dispatcher::new(1, 8, &config(8));
    submit(&mut dispatcher, 0, 'a');
    dispatcher.handle_drain();
    let taken = dispatcher.handle_submit(at(0), conn(1), 'b', TaskOptions::new());
    let refused = taken.expect_err("draining");
    assert_eq!(
        (refused.task, refused.reason),
        ('b', SubmitErrorKind::Draining)
    );
    assert_eq!(next(&mut dispatcher, 0), Some('a'));
    assert!(!dispatcher.is_idle());
    let end = AttemptEnd::Done;
    let result = dispatcher.handle_end(at(0), WorkerId(0), end);
    assert_eq!(result, AttemptResult::Done { notify: true });
    assert!(dispatcher.is_idle());
}

#[test]
fn cancelled_delays_run_tasks_at_once_without_retries() {
    let mut dispatcher = Dispatcher::new(1, 8, &config(8));
    let later = TaskOptions::new().delay(Duration::from_secs(3_600));
    for task in ['a', 'b'] {
        let taken = dispatcher.handle_submit(at(0), conn(0), task, later);
        assert!(taken.is_ok());
    }
    assert_eq!(next(&mut dispatcher, 0), None);
    assert_eq!(
        dispatcher.cancel_delays(),
        1,
        "one sleeper, one task with that key"
    );
    for task in ['a', 'b'] {
        assert_eq!(next(&mut dispatcher, 0), Some(task));
        let failed = AttemptEnd::Failed(Failure::Retry);
        let result = dispatcher.handle_end(at(1), WorkerId(0), failed);
        assert!(matches!(
            result,
            AttemptResult::Failed(FailedTask { attempts: 1, .. })
        ));
    }
    let taken = dispatcher.handle_submit(at(1), conn(0), 'c', later);
    assert!(taken.is_ok(), "shards may still have some");
    assert_eq!(next(&mut dispatcher, 0), Some('c'));
}

#[test]
fn abandon_returns_every_unfinished_task() {
    let mut dispatcher = Dispatcher::new(2, 8, &config(8));
    for n in 0..4 {
        submit(&mut dispatcher, n, n);
    }
    assert_eq!(next(&mut dispatcher, 0), Some(0));
    assert_eq!(next(&mut dispatcher, 1), Some(1));
    let _ = dispatcher.handle_end(at(1), WorkerId(0), AttemptEnd::Panicked);
    let all: Vec<_> = dispatcher
        .abandon()
        .map(|it| (*it.task, it.begun))
        .collect();
    assert_eq!(all, [(0, false), (1, true), (2, false), (3, false)]);
    let late = dispatcher.handle_end(at(1), WorkerId(1), AttemptEnd::Done);
    assert_eq!(late, AttemptResult::Late);
    let stats = dispatcher.stats();
    assert_eq!((stats.abandoned_waiting, stats.abandoned_running), (3, 1));
    assert!(dispatcher.is_idle() && dispatcher.is_draining());
}

#[test]
fn each_submission_wakes_at_most_one_more_worker() {
    let mut dispatcher = Dispatcher::new(3, 8, &config(8));
    assert!(!submit(&mut dispatcher, 0, ()), "no worker sleeps yet");
    assert_eq!(next(&mut dispatcher, 0), Some(()));
    assert_eq!(
        [next(&mut dispatcher, 1), next(&mut dispatcher, 2)],
        [None; 2]
    );
    let wakes = [1, 2, 3].map(|of| submit(&mut dispatcher, of, ()));
    assert_eq!(wakes, [true, true, false]);
}

#[test]
fn a_task_behind_another_with_its_key_wakes_no_worker() {
    let mut dispatcher = Dispatcher::new(2, 8, &config(8));
    assert_eq!(
        [next(&mut dispatcher, 0), next(&mut dispatcher, 1)],
        [None; 2]
    );
    assert!(submit(&mut dispatcher, 0, 'a'));
    assert_eq!(next(&mut dispatcher, 0), Some('a'));
    assert!(!submit(&mut dispatcher, 0, 'b'), "of the same connection");
    let _ = dispatcher.handle_end(at(0), WorkerId(0), AttemptEnd::Done);
    assert_eq!(
        next(&mut dispatcher, 1),
        None,
        "the end has not been reported yet"
    );
    assert_eq!(next(&mut dispatcher, 0), Some('b'));
}

#[test]
fn a_hung_attempt_is_retried_on_another_worker() {
    let mut dispatcher = Dispatcher::new(2, 8, &config(8));
    submit(&mut dispatcher, 0, 'a');
    submit(&mut dispatcher, 0, 'b');
    assert_eq!(next(&mut dispatcher, 0), Some('a'));
    assert_eq!(next(&mut dispatcher, 1), None);
    for attempt in [1, 2] {
        let due = dispatcher.poll_timeout().expect("a time-out");
        assert_eq!(dispatcher.handle_timeout(due), 0, "it waits for its retry");
        assert_eq!(dispatcher.stats().overdue, attempt);
        let again = dispatcher.poll_timeout().expect("a retry");
        assert_eq!(dispatcher.handle_timeout(again), 2 - attempt as usize);
        if attempt == 1 {
            let job = dispatcher
                .poll_assign(again, WorkerId(1))
                .expect("it again");
            assert_eq!((*job.task, job.attempt), ('a', 2));
        }
    }
    // The first worker reports at last. Its result does not count, and it takes the next attempt.
    let late = dispatcher.handle_end(at(500), WorkerId(0), AttemptEnd::Done);
    assert_eq!((late, dispatcher.stats().late), (AttemptResult::Late, 1));
    let job = dispatcher
        .poll_assign(at(500), WorkerId(0))
        .expect("it again");
    assert_eq!((*job.task, job.attempt), ('a', 3));
    assert_eq!(dispatcher.handle_timeout(at(520)), 0);
    let failed = dispatcher.poll_failed().expect("its last attempt");
    assert_eq!((failed.cause, failed.attempts), (FailureCause::TimedOut, 3));
    assert_eq!(dispatcher.stats().waiting, 1);
    let _ = dispatcher.handle_end(at(700), WorkerId(1), AttemptEnd::Done);
    let early = dispatcher.poll_assign(at(700), WorkerId(1));
    assert!(early.is_none(), "the end has not been reported yet");
    assert_eq!(dispatcher.poll_timeout(), Some(Timestamp::ORIGIN));
    assert_eq!(dispatcher.handle_timeout(at(700)), 1);
    assert_eq!(next(&mut dispatcher, 1), Some('b'));
}

#[test]
fn a_time_out_noticed_late_extends_the_attempt_once() {
    let mut dispatcher = Dispatcher::new(1, 8, &config(8));
    submit(&mut dispatcher, 0, 'a');
    let job = dispatcher.poll_assign(at(0), WorkerId(0)).expect("a job");
    assert_eq!(job.deadline, at(20));
    let deadline =
        |dispatcher: &mut Dispatcher<char>, now| dispatcher.poll_deadline(at(now), WorkerId(0));
    assert_eq!(deadline(&mut dispatcher, 19), Some(at(20)));
    assert_eq!(
        deadline(&mut dispatcher, 22),
        None,
        "at the end of the tolerance"
    );
    // The process was stopped.
    assert_eq!(dispatcher.handle_timeout(at(900)), 0);
    assert_eq!(dispatcher.stats().overdue, 0);
    assert_eq!(deadline(&mut dispatcher, 900), Some(at(920)));
    assert_eq!(dispatcher.poll_timeout(), Some(at(920)));
    let mut other = Dispatcher::new(1, 8, &config(8));
    submit(&mut other, 0, 'a');
    assert_eq!(next(&mut other, 0), Some('a'));
    assert_eq!(
        deadline(&mut other, 900),
        Some(at(920)),
        "the worker is first"
    );
    assert_eq!(other.handle_timeout(at(900)), 0);
    assert_eq!(other.stats().overdue, 0);
    // Only once.
    assert_eq!(deadline(&mut dispatcher, 2_000), None);
    assert_eq!(dispatcher.handle_timeout(at(2_000)), 0);
    assert_eq!(dispatcher.stats().overdue, 1);
    assert_eq!(deadline(&mut dispatcher, 2_000), None);
    let late = dispatcher.handle_end(at(2_001), WorkerId(0), AttemptEnd::Done);
    assert_eq!(late, AttemptResult::Late);
    // An attempt that ends in its extended time counts.
    let done = other.handle_end(at(919), WorkerId(0), AttemptEnd::Done);
    assert_eq!(done, AttemptResult::Done { notify: true });
}

#[test]
fn dead_letters_are_bounded_and_resubmitted_up_to_the_queue_limit() {
    let mut dispatcher = Dispatcher::new(1, 2, &config(3));
    for task in 0..5 {
        submit(&mut dispatcher, 0, task);
        assert_eq!(next(&mut dispatcher, 0), Some(task));
        let fatal = AttemptEnd::Failed(Failure::Fatal);
        let result = dispatcher.handle_end(at(7), WorkerId(0), fatal);
        assert!(matches!(
            result,
            AttemptResult::Failed(FailedTask { notify: true, .. })
        ));
        assert_eq!(next(&mut dispatcher, 0), None);
    }
    let kept: Vec<_> = dispatcher
        .dead_letters()
        .map(|(letter, &task)| (letter.id, letter.attempts, letter.at, task))
        .collect();
    assert_eq!(kept, [(2, 1, at(7), 2), (3, 1, at(7), 3), (4, 1, at(7), 4)]);
    assert_eq!(dispatcher.handle_resubmit_all(at(8)), (2, 1));
    assert_eq!(dispatcher.dead_letters().len(), 1);
    assert_eq!(next(&mut dispatcher, 0), Some(2));
    // Its connection was notified before.
    let result = dispatcher.handle_end(at(9), WorkerId(0), AttemptEnd::Done);
    assert_eq!(result, AttemptResult::Done { notify: false });
    let stats = dispatcher.stats();
    assert_eq!((stats.dead_dropped, stats.resubmitted), (2, 2));
}

/// A task whose code must not run inside the dispatcher.
#[derive(Debug)]
struct Foreign<'a> {
    name: u8,
    inside: &'a Cell<bool>,
    ended: &'a RefCell<Vec<u8>>,
}

impl Clone for Foreign<'_> {
    fn clone(&self) -> Self {
        panic!("the dispatcher copies nothing");
    }
}

impl Drop for Foreign<'_> {
    fn drop(&mut self) {
        assert!(!self.inside.get(), "the dispatcher drops nothing");
        self.ended.borrow_mut().push(self.name);
    }
}

#[test]
fn the_dispatcher_runs_no_code_of_a_task() {
    let (inside, ended) = (Cell::new(false), RefCell::new(Vec::new()));
    let ended_since = || core::mem::take(&mut *ended.borrow_mut());
    let task = |name| Foreign {
        name,
        inside: &inside,
        ended: &ended,
    };
    let mut dispatcher = Dispatcher::new(2, 8, &config(1));
    let (first, second) = (WorkerId(0), WorkerId(1));
    macro_rules! run {
        ($call:expr) => {{
            inside.set(true);
            let result = $call;
            inside.set(false);
            result
        }};
    }
    // A done task, twice: the second time in the memory of the first.
    for name in [1, 2] {
        let (now, options) = (at(0), TaskOptions::new());
        let taken = run!(dispatcher.handle_submit(now, conn(0), task(name), options));
        assert!(taken.is_ok());
        let job = run!(dispatcher.poll_assign(at(0), first)).expect("a job");
        assert_eq!(job.task.name, name);
        drop(job);
        let result = run!(dispatcher.handle_end(at(0), first, AttemptEnd::Done));
        assert_eq!(
            (result, ended_since()),
            (AttemptResult::Done { notify: true }, Vec::new())
        );
        drop(run!(dispatcher.poll_spent()).expect("the task"));
        assert_eq!(ended_since(), [name]);
        assert!(run!(dispatcher.poll_assign(at(0), first)).is_none());
    }
    // A task that times out, is done by another worker, and is then reported late.
    let (now, options) = (at(0), TaskOptions::new());
    let taken = run!(dispatcher.handle_submit(now, conn(0), task(3), options));
    assert!(taken.is_ok());
    let late = run!(dispatcher.poll_assign(at(0), first)).expect("a job");
    for _ in 0..2 {
        let due = dispatcher.poll_timeout().expect("a time-out, and a retry");
        run!(dispatcher.handle_timeout(due));
    }
    let job = run!(dispatcher.poll_assign(at(100), second)).expect("a job");
    drop(job);
    let _ = run!(dispatcher.handle_end(at(100), second, AttemptEnd::Done));
    drop(run!(dispatcher.poll_spent()).expect("a share of the task"));
    assert_eq!(ended_since(), [], "the first still has it");
    drop(late);
    assert_eq!(ended_since(), [3]);
    let result = run!(dispatcher.handle_end(at(100), first, AttemptEnd::Panicked));
    assert_eq!(result, AttemptResult::Late);
    // Tasks that fail for good; there is room for one of them.
    for name in [4, 5] {
        let options = TaskOptions::new().attempts(1);
        let taken = run!(dispatcher.handle_submit(at(100), conn(1), task(name), options));
        assert!(taken.is_ok());
        drop(run!(dispatcher.poll_assign(at(100), first)).expect("a job"));
        let result = run!(dispatcher.handle_end(at(100), first, AttemptEnd::Panicked));
        assert!(matches!(result, AttemptResult::Failed(_)));
    }
    assert_eq!(ended_since(), []);
    drop(run!(dispatcher.poll_spent()).expect("the oldest"));
    assert_eq!(ended_since(), [4]);
    let taken = run!(dispatcher.take_dead_letter(1)).expect("the latest");
    assert_eq!((taken.1.name, ended_since()), (5, Vec::new()));
    drop(taken);
    assert_eq!(ended_since(), [5]);
    // An abandoned task.
    let taken = run!(dispatcher.handle_submit(at(100), conn(2), task(6), TaskOptions::new()));
    assert!(taken.is_ok());
    let abandoned: Vec<_> = run!(dispatcher.abandon().collect());
    assert_eq!((abandoned.len(), ended_since()), (1, Vec::new()));
    drop(abandoned);
    assert_eq!(ended_since(), [6]);
    assert!(dispatcher.poll_spent().is_none());
}

#[test]
fn a_worker_restart_fails_its_attempt() {
    let mut dispatcher = Dispatcher::new(1, 8, &config(8));
    let worker = WorkerId(0);
    assert_eq!(
        dispatcher.handle_restart(at(0), worker),
        None,
        "it had none"
    );
    assert_eq!(next(&mut dispatcher, 0), None);
    assert_eq!(dispatcher.handle_restart(at(0), worker), None, "it slept");
    let options = TaskOptions::new().attempts(2);
    let taken = dispatcher.handle_submit(at(0), conn(0), 'a', options);
    assert!(taken.expect("room").wake);
    assert_eq!(next(&mut dispatcher, 0), Some('a'));
    let result = dispatcher.handle_restart(at(0), worker);
    assert_eq!(result, Some(AttemptResult::Retry));
    let again = dispatcher.poll_timeout().expect("a retry");
    dispatcher.handle_timeout(again);
    assert_eq!(next(&mut dispatcher, 0), Some('a'));
    let result = dispatcher.handle_restart(at(0), worker);
    let Some(AttemptResult::Failed(failed)) = result else {
        panic!("{result:?}")
    };
    assert_eq!((failed.cause, failed.attempts), (FailureCause::Panicked, 2));
    // The worker continues.
    submit(&mut dispatcher, 1, 'b');
    assert_eq!(next(&mut dispatcher, 0), Some('b'));
    let stats = dispatcher.stats();
    assert_eq!((stats.workers_restarted, stats.panicked), (4, 2));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "does not have")]
fn a_report_without_a_job_panics_in_debug_builds() {
    let mut dispatcher = Dispatcher::<()>::new(1, 1, &config(8));
    let _ = dispatcher.handle_end(at(0), WorkerId(0), AttemptEnd::Done);
}

/// Short times, and room for this number of dead letters.
pub(super) fn config(dead_letters: usize) -> Config {
    Config::builder()
        .seed(3)
        .task_attempts(3)
        .task_backoff(Duration::from_millis(10))
        .task_backoff_max(Duration::from_millis(30))
        .task_timeout(Duration::from_millis(20))
        .dead_letters(dead_letters)
        .build()
        .expect("in range")
}

pub(super) fn conn(slot: u32) -> ConnId {
    ConnId::new(ShardId(0), slot, 1)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(millis * 1_000)
}
