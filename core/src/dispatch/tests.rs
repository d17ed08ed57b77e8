//! Owns the comparison of the dispatcher with a naive one, and the edges.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::{Dispatcher, Refusal};
use crate::id::{ConnId, ShardId, WorkerId};

#[derive(Clone, Debug)]
enum Op {
    Submit,
    Poll(u16),
    Done(u16),
    Panic(u16),
    /// One of the workers that were promised a wake gets it.
    Wake(usize),
    Drain,
    Abandon,
}

/// The obvious dispatcher: lists, searched. It also keeps the threads' side: who sleeps, and how
/// many wakes are on their way to nobody in particular.
#[derive(Default)]
struct Naive {
    queue: VecDeque<u32>,
    running: Vec<Option<u32>>,
    asleep: Vec<u16>,
    wakes: usize,
    limit: usize,
    draining: bool,
    submitted: u64,
    ended: [u64; 3],
    refused: [u64; 2],
}

impl Naive {
    fn assign(&mut self, worker: u16) -> Option<u32> {
        self.asleep.retain(|&w| w != worker);
        let task = self.queue.pop_front();
        self.running[usize::from(worker)] = task;
        if task.is_none() {
            self.asleep.push(worker);
        }
        task
    }
}

fn ops() -> impl Strategy<Value = (u16, usize, Vec<Op>)> {
    (1_u16..5, 0_usize..7).prop_flat_map(|(workers, limit)| {
        // One worker that does not exist, for the misuse.
        let worker = 0..=workers;
        let op = prop_oneof![
            16 => Just(Op::Submit),
            8 => worker.clone().prop_map(Op::Poll),
            8 => worker.clone().prop_map(Op::Done),
            3 => worker.prop_map(Op::Panic),
            4 => (0_usize..8).prop_map(Op::Wake),
            1 => Just(Op::Drain),
            1 => Just(Op::Abandon),
        ];
        (Just(workers), Just(limit), vec_of(op, 0..200))
    })
}

proptest! {
    /// In a build without debug assertions the ops include misuse, which must change nothing.
    #[test]
    fn does_what_the_naive_one_does((workers, limit, ops) in ops()) {
        let mut real = Dispatcher::new(workers, limit);
        let mut naive = Naive { limit, running: vec![None; workers.into()], ..Naive::default() };
        for (step, op) in (0_u32..).zip(ops) {
            apply(&mut real, &mut naive, step, &op)?;
            check(&real, &naive)?;
        }
        quiesce(&mut real, &mut naive)?;
    }
}

fn apply(
    real: &mut Dispatcher<u32>,
    naive: &mut Naive,
    step: u32,
    op: &Op,
) -> Result<(), TestCaseError> {
    let busy =
        |naive: &Naive, worker: u16| naive.running.get(usize::from(worker)).copied().flatten();
    match *op {
        Op::Submit => match real.handle_submit(conn(step), step) {
            Ok(submitted) => {
                prop_assert!(!naive.draining && naive.queue.len() < naive.limit);
                naive.queue.push_back(step);
                naive.submitted += 1;
                naive.wakes += usize::from(submitted.wake);
            }
            Err(refused) => {
                prop_assert_eq!(refused.task, step);
                let expected = if naive.draining {
                    Refusal::Draining
                } else {
                    Refusal::QueueFull
                };
                prop_assert_eq!(refused.reason, expected);
                prop_assert!(naive.draining || naive.queue.len() == naive.limit);
                naive.refused[usize::from(naive.draining)] += 1;
            }
        },
        Op::Poll(worker) => {
            let misuse =
                busy(naive, worker).is_some() || usize::from(worker) >= naive.running.len();
            if !misuse {
                poll(real, naive, worker)?;
            } else if MISUSE {
                prop_assert!(real.poll_assign(WorkerId(worker)).is_none());
            }
        }
        Op::Done(worker) => {
            let task = busy(naive, worker);
            if task.is_some() || MISUSE {
                real.handle_done(WorkerId(worker));
            }
            if task.is_some() {
                naive.running[usize::from(worker)] = None;
                naive.ended[0] += 1;
            }
        }
        Op::Panic(worker) => {
            let task = busy(naive, worker);
            if task.is_some() || MISUSE {
                prop_assert_eq!(real.handle_panic(WorkerId(worker)), task.map(conn));
            }
            if task.is_some() {
                naive.running[usize::from(worker)] = None;
                naive.ended[1] += 1;
            }
        }
        Op::Wake(who) => wake(real, naive, who)?,
        Op::Drain => {
            real.handle_drain();
            naive.draining = true;
        }
        Op::Abandon => {
            let jobs = real.abandon();
            naive.draining = true;
            naive.ended[2] += naive.queue.len() as u64;
            prop_assert!(
                jobs.map(|job| (job.conn, job.task))
                    .eq(naive.queue.drain(..).map(|task| (conn(task), task)))
            );
        }
    }
    Ok(())
}

fn poll(real: &mut Dispatcher<u32>, naive: &mut Naive, worker: u16) -> Result<(), TestCaseError> {
    let job = real
        .poll_assign(WorkerId(worker))
        .map(|job| (job.conn, job.task));
    prop_assert_eq!(job, naive.assign(worker).map(|task| (conn(task), task)));
    Ok(())
}

/// A wake that is on its way reaches any one sleeper; with nobody asleep it is spent on nobody.
fn wake(real: &mut Dispatcher<u32>, naive: &mut Naive, who: usize) -> Result<(), TestCaseError> {
    if naive.wakes > 0 {
        naive.wakes -= 1;
        if !naive.asleep.is_empty() {
            let worker = naive.asleep[who % naive.asleep.len()];
            poll(real, naive, worker)?;
        }
    }
    Ok(())
}

fn check(real: &Dispatcher<u32>, naive: &Naive) -> Result<(), TestCaseError> {
    let stats = real.stats();
    let running = naive.running.iter().flatten().count();
    prop_assert_eq!(
        stats.submitted,
        stats.done + stats.panicked + stats.abandoned + stats.waiting + stats.running
    );
    prop_assert_eq!(stats.submitted, naive.submitted);
    prop_assert_eq!([stats.done, stats.panicked, stats.abandoned], naive.ended);
    prop_assert_eq!([stats.refused_full, stats.refused_draining], naive.refused);
    prop_assert_eq!(
        (stats.waiting, stats.running),
        (naive.queue.len() as u64, running as u64)
    );
    prop_assert!(naive.queue.len() <= naive.limit);
    prop_assert_eq!(real.is_idle(), naive.queue.is_empty() && running == 0);
    prop_assert_eq!(real.is_draining(), naive.draining);
    prop_assert!(
        naive.wakes >= naive.queue.len().min(naive.asleep.len()),
        "a worker sleeps while a job waits"
    );
    Ok(())
}

/// Left to themselves, the workers that are awake and those that are woken leave nothing behind.
fn quiesce(real: &mut Dispatcher<u32>, naive: &mut Naive) -> Result<(), TestCaseError> {
    while naive.wakes > 0 {
        wake(real, naive, 0)?;
    }
    let mut restless = true;
    while restless {
        restless = false;
        for worker in 0..naive.running.len() as u16 {
            if naive.running[usize::from(worker)].is_some() {
                apply(real, naive, 0, &Op::Done(worker))?;
            }
            if !naive.asleep.contains(&worker) {
                poll(real, naive, worker)?;
                restless = true;
            }
        }
        check(real, naive)?;
    }
    prop_assert!(real.is_idle());
    Ok(())
}

#[test]
fn takes_the_limit_and_not_one_more() {
    let mut dispatcher = Dispatcher::new(1, 2);
    assert!(dispatcher.handle_submit(conn(0), "a").is_ok());
    assert!(dispatcher.handle_submit(conn(1), "b").is_ok());
    let refused = dispatcher
        .handle_submit(conn(2), "c")
        .expect_err("two wait already");
    assert_eq!((refused.task, refused.reason), ("c", Refusal::QueueFull));
    // A job at a worker is not waiting.
    assert_eq!(
        dispatcher.poll_assign(WorkerId(0)).map(|job| job.task),
        Some("a")
    );
    assert!(dispatcher.handle_submit(conn(3), "d").is_ok());
    assert!(dispatcher.handle_submit(conn(4), "e").is_err());
    assert_eq!(dispatcher.stats().refused_full, 2);
}

#[test]
fn a_limit_of_zero_refuses_everything() {
    let mut dispatcher = Dispatcher::new(1, 0);
    assert!(dispatcher.poll_assign(WorkerId(0)).is_none());
    assert!(dispatcher.handle_submit(conn(0), ()).is_err());
}

#[test]
fn a_task_after_the_end_is_refused_in_order() {
    let mut dispatcher = Dispatcher::new(1, 8);
    assert!(dispatcher.handle_submit(conn(0), 'a').is_ok());
    dispatcher.handle_drain();
    let refused = dispatcher
        .handle_submit(conn(1), 'b')
        .expect_err("draining");
    assert_eq!((refused.task, refused.reason), ('b', Refusal::Draining));
    assert_eq!(
        dispatcher.poll_assign(WorkerId(0)).map(|job| job.task),
        Some('a')
    );
    assert!(!dispatcher.is_idle());
    dispatcher.handle_done(WorkerId(0));
    assert!(dispatcher.is_idle());
    assert!(dispatcher.handle_submit(conn(1), 'c').is_err());
    assert_eq!(dispatcher.stats().refused_draining, 2);
}

#[test]
fn abandoning_leaves_what_has_begun() {
    let mut dispatcher = Dispatcher::new(1, 8);
    for n in 0..3 {
        assert!(dispatcher.handle_submit(conn(n), n).is_ok());
    }
    assert!(dispatcher.poll_assign(WorkerId(0)).is_some());
    assert!(dispatcher.abandon().map(|job| job.task).eq([1, 2]));
    assert_eq!(dispatcher.handle_panic(WorkerId(0)), Some(conn(0)));
    let stats = dispatcher.stats();
    assert_eq!(
        (stats.submitted, stats.panicked, stats.abandoned),
        (3, 1, 2)
    );
    assert!(dispatcher.is_idle() && dispatcher.is_draining());
}

#[test]
fn each_wake_is_for_one_more_sleeper() {
    let mut dispatcher = Dispatcher::new(3, 8);
    let submit =
        |dispatcher: &mut Dispatcher<()>| dispatcher.handle_submit(conn(0), ()).expect("room").wake;
    assert!(!submit(&mut dispatcher), "nobody sleeps yet");
    assert!(dispatcher.poll_assign(WorkerId(0)).is_some());
    assert!(
        dispatcher.poll_assign(WorkerId(1)).is_none()
            && dispatcher.poll_assign(WorkerId(2)).is_none()
    );
    assert_eq!(
        [
            submit(&mut dispatcher),
            submit(&mut dispatcher),
            submit(&mut dispatcher)
        ],
        [true, true, false]
    );
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "does not have")]
fn a_report_without_a_job_is_caught_in_debug_builds() {
    Dispatcher::<()>::new(1, 1).handle_done(WorkerId(0));
}

fn conn(slot: u32) -> ConnId {
    ConnId::new(ShardId(0), slot, 1)
}

const MISUSE: bool = !cfg!(debug_assertions);
