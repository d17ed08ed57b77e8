//! Comparison of the dispatcher with a naive one under random operations.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use crate::id::WorkerId;
use crate::stats::DispatchStats;
use crate::tasks::backoff::Backoff;
use crate::tasks::naive::{Dead, Naive, NaiveWorker, Plan, Sums};
use crate::tasks::tests::{config, conn};
use crate::tasks::*;
use crate::time::Timestamp;

#[derive(Clone, Debug)]
enum Op {
    Submit(Plan),
    Poll(usize),
    End(usize, AttemptEnd),
    /// One of the workers that were promised a wake gets it.
    Wake(usize),
    Pass(u64),
    TimeOut,
    PollFailed,
    Resubmit(usize),
    Take(usize),
    CancelDelays,
    Drain,
    Abandon,
}

#[derive(Clone, Copy, Debug)]
struct Setup {
    workers: usize,
    limit: usize,
    dead_limit: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let order = prop_oneof![
        4 => Just(TaskOrder::Connection),
        2 => (0_u64..2).prop_map(TaskOrder::Key),
        2 => Just(TaskOrder::Any),
    ];
    let delay = prop_oneof![3 => Just(0), 1 => 1_u64..60_000];
    let times = (1_u16..4, 10_000_u64..40_000);
    (0_u32..3, order, delay, times).prop_map(|(conn, order, delay, (attempts, timeout))| Plan {
        conn,
        order,
        delay,
        attempts,
        timeout,
    })
}

fn ops() -> impl Strategy<Value = (Setup, Vec<Op>)> {
    (1_usize..5, 0_usize..9, 0_usize..4).prop_flat_map(|(workers, limit, dead_limit)| {
        // One worker that does not exist, for the misuse.
        let worker = 0..=workers;
        let end = prop_oneof![
            6 => Just(AttemptEnd::Done),
            3 => Just(AttemptEnd::Failed(Failure::Retry)),
            1 => Just(AttemptEnd::Failed(Failure::Fatal)),
            2 => Just(AttemptEnd::Panicked),
            1 => Just(AttemptEnd::TimedOut),
        ];
        let op = prop_oneof![
            32 => plan().prop_map(Op::Submit),
            20 => worker.clone().prop_map(Op::Poll),
            20 => (worker, end).prop_map(|(worker, end)| Op::End(worker, end)),
            8 => (0_usize..8).prop_map(Op::Wake),
            12 => (1_u64..30_000).prop_map(Op::Pass),
            12 => Just(Op::TimeOut),
            6 => Just(Op::PollFailed),
            4 => (0_usize..4).prop_map(Op::Resubmit),
            2 => (0_usize..4).prop_map(Op::Take),
            1 => Just(Op::CancelDelays),
            1 => Just(Op::Drain),
            1 => Just(Op::Abandon),
        ];
        let setup = Setup {
            workers,
            limit,
            dead_limit,
        };
        (Just(setup), vec_of(op, 0..250))
    })
}

proptest! {
    /// Without debug assertions the operations include misuse, which must change nothing.
    #[test]
    fn the_dispatcher_matches_the_naive_one((setup, ops) in ops()) {
        let mut pair = Pair::new(setup);
        for op in ops {
            pair.apply(&op)?;
            pair.check()?;
        }
        pair.quiesce()?;
    }
}

struct Pair {
    real: Dispatcher<u64>,
    naive: Naive,
}

impl Pair {
    fn new(setup: Setup) -> Self {
        let config = config(setup.dead_limit);
        let naive = Naive {
            now: 0,
            tasks: Vec::new(),
            workers: vec![NaiveWorker::Awake; setup.workers],
            wakes: 0,
            limit: setup.limit,
            phase: 0,
            failed: Vec::new(),
            reporting: Vec::new(),
            dead: Vec::new(),
            dead_limit: setup.dead_limit,
            backoff: Backoff::new(
                config.task_backoff(),
                config.task_backoff_max(),
                config.seed(),
            ),
            stamp: 0,
            sums: Sums::default(),
        };
        Self {
            real: Dispatcher::new(setup.workers as u16, setup.limit, &config),
            naive,
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let Self { real, naive } = self;
        let now = Timestamp::from_micros(naive.now);
        match *op {
            Op::Submit(plan) => {
                let number = naive.sums.submitted;
                match real.handle_submit(now, conn(plan.conn), number, options(plan)) {
                    Ok(submitted) => {
                        prop_assert!(naive.phase < 2 && !naive.is_full());
                        naive.submit(plan, true);
                        naive.wakes += usize::from(submitted.wake);
                    }
                    Err(refused) => {
                        prop_assert_eq!(refused.task, number);
                        if naive.phase == 2 {
                            prop_assert_eq!(refused.reason, SubmitErrorKind::Draining);
                            naive.sums.refused_draining += 1;
                        } else {
                            prop_assert_eq!(refused.reason, SubmitErrorKind::QueueFull);
                            prop_assert!(naive.is_full());
                            naive.sums.refused_full += 1;
                        }
                    }
                }
            }
            Op::Poll(worker) => {
                let at_work = matches!(
                    naive.workers.get(worker),
                    None | Some(NaiveWorker::Busy(_) | NaiveWorker::Overdue)
                );
                if !at_work {
                    self.poll(worker)?;
                } else if MISUSE {
                    prop_assert!(real.poll_assign(now, WorkerId(worker as u16)).is_none());
                }
            }
            Op::End(worker, end) => {
                let at_work = matches!(
                    naive.workers.get(worker),
                    Some(NaiveWorker::Busy(_) | NaiveWorker::Overdue)
                );
                if at_work {
                    self.end(worker, end)?;
                } else if MISUSE {
                    let result = real.handle_end(now, WorkerId(worker as u16), end);
                    prop_assert_eq!(result, AttemptResult::Late);
                }
            }
            Op::Wake(who) => self.wake(who)?,
            Op::Pass(micros) => naive.now += micros,
            Op::TimeOut => {
                naive.wakes += real.handle_timeout(now);
                naive.time_out();
            }
            Op::PollFailed => {
                let failed = real.poll_failed();
                let expected = (!naive.failed.is_empty()).then(|| naive.failed.remove(0));
                prop_assert_eq!(
                    failed.map(|failed| failed.cause),
                    expected.map(|(_, cause)| cause)
                );
                if let (Some(failed), Some((number, _))) = (failed, expected) {
                    let task = &naive.tasks[naive.at(number)];
                    prop_assert_eq!((failed.attempts, failed.notify), (task.begun, task.notify));
                    prop_assert_eq!(failed.conn, conn(task.plan.conn));
                    naive.reporting.push(number);
                }
            }
            Op::Resubmit(at) => {
                let Some(&Dead { id, plan, .. }) = naive.dead.get(at) else {
                    prop_assert_eq!(real.handle_resubmit(now, u64::MAX), Ok(None));
                    return Ok(());
                };
                match real.handle_resubmit(now, id) {
                    Ok(submitted) => {
                        prop_assert!(naive.phase < 2 && !naive.is_full());
                        naive.wakes += usize::from(submitted.expect("it is there").wake);
                        naive.dead.remove(at);
                        naive.sums.dead_taken += 1;
                        naive.sums.resubmitted += 1;
                        naive.submit(Plan { delay: 0, ..plan }, false);
                    }
                    Err(SubmitErrorKind::QueueFull) => prop_assert!(naive.is_full()),
                    Err(SubmitErrorKind::Draining) => prop_assert_eq!(naive.phase, 2),
                }
            }
            Op::Take(at) => {
                let id = naive.dead.get(at).map_or(u64::MAX, |dead| dead.id);
                let taken = real.take_dead_letter(id).map(|(letter, _)| letter.id);
                prop_assert_eq!(taken.is_some(), at < naive.dead.len());
                if let Some(taken) = taken {
                    prop_assert_eq!(taken, naive.dead.remove(at).id);
                    naive.sums.dead_taken += 1;
                }
            }
            Op::CancelDelays => {
                naive.wakes += real.cancel_delays();
                naive.cancel_delays();
            }
            Op::Drain => {
                real.handle_drain();
                naive.cancel_delays();
                naive.phase = 2;
                // The adapter wakes all workers.
                naive.wakes += naive.workers.len();
            }
            Op::Abandon => {
                let all: Vec<_> = real.abandon().map(|task| task.begun).collect();
                let expected = naive.abandon();
                prop_assert!(
                    all.into_iter()
                        .eq(expected.into_iter().map(|(_, begun)| begun))
                );
            }
        }
        Ok(())
    }

    fn poll(&mut self, worker: usize) -> Result<(), TestCaseError> {
        let now = Timestamp::from_micros(self.naive.now);
        let job = self.real.poll_assign(now, WorkerId(worker as u16));
        let expected = self.naive.assign(worker);
        prop_assert_eq!(job.is_some(), expected.is_some());
        if let (Some(job), Some((number, attempt))) = (job, expected) {
            let task = &self.naive.tasks[self.naive.at(number)];
            prop_assert_eq!(job.conn, conn(task.plan.conn));
            prop_assert_eq!(job.attempt, attempt);
            let timeout = Duration::from_micros(task.plan.timeout);
            prop_assert_eq!(job.deadline, now.after(timeout));
            // A task that is submitted again has its old value.
            let submitted = *job.task;
            let is_it = (submitted == number) == task.notify && submitted <= number;
            prop_assert!(is_it, "{submitted}");
        }
        Ok(())
    }

    fn end(&mut self, worker: usize, end: AttemptEnd) -> Result<(), TestCaseError> {
        let now = Timestamp::from_micros(self.naive.now);
        let task = match self.naive.workers[worker] {
            NaiveWorker::Busy(number) => Some(self.naive.tasks[self.naive.at(number)].clone()),
            _ => None,
        };
        let result = self.real.handle_end(now, WorkerId(worker as u16), end);
        match self.naive.end(worker, end) {
            None => prop_assert_eq!(result, AttemptResult::Late),
            Some(None) => prop_assert_eq!(result, AttemptResult::Retry),
            Some(Some(Ok(_))) => {
                let expected = task.map(|task| task.notify);
                let is = matches!(result, AttemptResult::Done { notify, .. } if Some(notify) == expected);
                prop_assert!(is, "{:?}", result);
            }
            Some(Some(Err(cause))) => {
                let task = task.expect("it had one");
                let failed = FailedTask {
                    conn: conn(task.plan.conn),
                    cause,
                    attempts: task.begun,
                    notify: task.notify,
                };
                prop_assert_eq!(result, AttemptResult::Failed(failed));
            }
        }
        Ok(())
    }

    /// Delivers a pending wake to any sleeping worker; it is failed if none sleeps.
    fn wake(&mut self, who: usize) -> Result<(), TestCaseError> {
        if self.naive.wakes > 0 {
            self.naive.wakes -= 1;
            let asleep = self.naive.asleep();
            if !asleep.is_empty() {
                self.poll(asleep[who % asleep.len()])?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let Self { real, naive } = self;
        let stats = real.stats();
        let Sums {
            submitted,
            refused_full,
            refused_draining,
            done,
            failed,
            abandoned_waiting,
            abandoned_running,
            retried,
            attempts_failed,
            panicked,
            timed_out,
            late,
            dead_dropped,
            dead_taken,
            resubmitted,
        } = naive.sums;
        let overdue = naive
            .workers
            .iter()
            .filter(|is| **is == NaiveWorker::Overdue);
        let expected = DispatchStats {
            submitted,
            refused_full,
            refused_draining,
            done,
            failed,
            abandoned_waiting,
            abandoned_running,
            waiting: naive.waiting() as u64,
            delayed: naive.delayed() as u64,
            running: naive.running() as u64,
            retried,
            attempts_failed,
            workers_restarted: 0,
            drops_panicked: 0,
            panicked,
            timed_out,
            late,
            overdue: overdue.count() as u64,
            dead_letters: naive.dead.len() as u64,
            dead_dropped,
            dead_taken,
            resubmitted,
        };
        prop_assert_eq!(stats, expected);
        balance(&stats)?;
        let held = naive.waiting() + naive.delayed();
        prop_assert!(held <= naive.limit + naive.workers.len());
        prop_assert_eq!(real.is_idle(), held + naive.running() == 0);
        prop_assert_eq!(real.is_draining(), naive.phase == 2);
        let timer = naive.first_timer().map(Timestamp::from_micros);
        prop_assert_eq!(real.poll_timeout(), timer);
        prop_assert!(
            naive.wakes >= naive.ready().min(naive.asleep().len()),
            "a worker sleeps while a job is ready"
        );
        let letters = real.dead_letters().map(|(letter, _)| *letter);
        let dead = naive.dead.iter().map(|dead| DeadLetter {
            id: dead.id,
            conn: conn(dead.plan.conn),
            attempts: dead.attempts,
            cause: dead.cause,
            at: Timestamp::from_micros(dead.at),
        });
        prop_assert!(letters.eq(dead));
        Ok(())
    }

    /// Runs the clock and the workers until every task has ended.
    fn quiesce(&mut self) -> Result<(), TestCaseError> {
        loop {
            while self.naive.wakes > 0 {
                self.wake(0)?;
            }
            let restless = |is: &NaiveWorker| *is != NaiveWorker::Asleep;
            if let Some(worker) = self.naive.workers.iter().position(restless) {
                if matches!(
                    self.naive.workers[worker],
                    NaiveWorker::Busy(_) | NaiveWorker::Overdue
                ) {
                    self.end(worker, AttemptEnd::Failed(Failure::Retry))?;
                }
                self.check()?;
                self.poll(worker)?;
            } else if let Some(due) = self.naive.first_timer() {
                self.naive.now = self.naive.now.max(due);
                self.apply(&Op::TimeOut)?;
                while !self.naive.failed.is_empty() {
                    self.apply(&Op::PollFailed)?;
                }
            } else {
                break;
            }
            self.check()?;
        }
        prop_assert!(self.real.is_idle());
        Ok(())
    }
}

fn balance(stats: &DispatchStats) -> Result<(), TestCaseError> {
    let ended = stats.done + stats.failed + stats.abandoned_waiting + stats.abandoned_running;
    let unfinished = stats.waiting + stats.delayed + stats.running;
    prop_assert_eq!(stats.submitted, ended + unfinished);
    let failed = stats.attempts_failed + stats.panicked + stats.timed_out;
    prop_assert_eq!(failed, stats.retried + stats.failed);
    let dead = stats.dead_letters + stats.dead_dropped + stats.dead_taken;
    prop_assert_eq!(stats.failed, dead);
    Ok(())
}

fn options(plan: Plan) -> TaskOptions {
    TaskOptions::new()
        .delay(Duration::from_micros(plan.delay))
        .order(plan.order)
        .attempts(plan.attempts)
        .timeout(Duration::from_micros(plan.timeout))
}

const MISUSE: bool = !cfg!(debug_assertions);
