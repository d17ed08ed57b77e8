//! Naive dispatcher: one list of tasks, searched for everything.
//!
//! Also models the threads: the workers asleep and the pending wakes.

use alloc::vec::Vec;

use crate::tasks::backoff::Backoff;
use crate::tasks::job::{AttemptEnd, Failure, FailureCause};
use crate::tasks::options::TaskOrder;

pub(super) struct Naive {
    pub(super) now: u64,
    /// Tasks that have not ended, and ended ones that are not reported.
    pub(super) tasks: Vec<Task>,
    pub(super) workers: Vec<NaiveWorker>,
    pub(super) wakes: usize,
    pub(super) limit: usize,
    pub(super) phase: u8,
    /// Tasks whose last attempt timed out, before and after they are polled.
    pub(super) failed: Vec<(u64, FailureCause)>,
    pub(super) reporting: Vec<u64>,
    pub(super) dead: Vec<Dead>,
    pub(super) dead_limit: usize,
    pub(super) backoff: Backoff,
    /// A counter that orders queue entries, ready tasks and timers.
    pub(super) stamp: u64,
    pub(super) sums: Sums,
}

/// The counts that never decrease.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Sums {
    pub(super) submitted: u64,
    pub(super) refused_full: u64,
    pub(super) refused_draining: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) abandoned_waiting: u64,
    pub(super) abandoned_running: u64,
    pub(super) retried: u64,
    pub(super) attempts_failed: u64,
    pub(super) panicked: u64,
    pub(super) timed_out: u64,
    pub(super) late: u64,
    pub(super) dead_dropped: u64,
    pub(super) dead_taken: u64,
    pub(super) resubmitted: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NaiveWorker {
    Awake,
    Asleep,
    Busy(u64),
    Overdue,
    Reporting(u64),
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) number: u64,
    pub(super) plan: Plan,
    pub(super) notify: bool,
    pub(super) begun: u16,
    pub(super) queued_at: Option<u64>,
    pub(super) ready: Option<u64>,
    pub(super) timer: Option<(u64, u64)>,
    pub(super) extended: bool,
    pub(super) state: NaiveState,
}

/// The arguments of a submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    pub(super) conn: u32,
    pub(super) order: TaskOrder,
    pub(super) delay: u64,
    pub(super) attempts: u16,
    pub(super) timeout: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NaiveState {
    Delayed,
    Waiting,
    Running(usize),
    BackingOff,
    /// Until its end is reported.
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dead {
    pub(super) id: u64,
    pub(super) plan: Plan,
    pub(super) number: u64,
    pub(super) attempts: u16,
    pub(super) cause: FailureCause,
    pub(super) at: u64,
}

impl Naive {
    pub(super) fn count(&self, is: impl Fn(&Task) -> bool) -> usize {
        self.tasks.iter().filter(|task| is(task)).count()
    }

    pub(super) fn waiting(&self) -> usize {
        self.count(|task| task.state == NaiveState::Waiting)
    }

    pub(super) fn delayed(&self) -> usize {
        self.count(|task| matches!(task.state, NaiveState::Delayed | NaiveState::BackingOff))
    }

    pub(super) fn running(&self) -> usize {
        self.count(|task| matches!(task.state, NaiveState::Running(_)))
    }

    pub(super) fn ready(&self) -> usize {
        self.count(|task| task.ready.is_some())
    }

    pub(super) fn asleep(&self) -> Vec<usize> {
        let all = 0..self.workers.len();
        all.filter(|&at| self.workers[at] == NaiveWorker::Asleep)
            .collect()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting() + self.delayed() >= self.limit
    }

    pub(super) fn submit(&mut self, plan: Plan, notify: bool) {
        let number = self.sums.submitted;
        self.sums.submitted += 1;
        let delayed = plan.delay > 0 && self.phase == 0;
        self.tasks.push(Task {
            number,
            plan,
            notify,
            begun: 0,
            queued_at: None,
            ready: None,
            timer: None,
            extended: false,
            state: NaiveState::Delayed,
        });
        let at = self.tasks.len() - 1;
        if delayed {
            self.set_timer(at, plan.delay);
        } else {
            self.enqueue(at);
        }
    }

    /// Returns the number and the attempt of the job that the worker gets.
    pub(super) fn assign(&mut self, worker: usize) -> Option<(u64, u16)> {
        if let NaiveWorker::Reporting(number) = self.workers[worker] {
            self.remove(number);
        }
        let next = (0..self.tasks.len())
            .filter(|&at| self.tasks[at].ready.is_some())
            .min_by_key(|&at| self.tasks[at].ready);
        let Some(at) = next else {
            self.workers[worker] = NaiveWorker::Asleep;
            return None;
        };
        let timeout = self.tasks[at].plan.timeout;
        self.set_timer(at, timeout);
        let task = &mut self.tasks[at];
        task.ready = None;
        task.extended = false;
        task.begun += 1;
        task.state = NaiveState::Running(worker);
        self.workers[worker] = NaiveWorker::Busy(task.number);
        Some((task.number, task.begun))
    }

    /// Returns `None` if the report is late, and the end of the task if it has ended.
    pub(super) fn end(
        &mut self,
        worker: usize,
        end: AttemptEnd,
    ) -> Option<Option<Result<u64, FailureCause>>> {
        let NaiveWorker::Busy(number) = self.workers[worker] else {
            self.workers[worker] = NaiveWorker::Awake;
            self.sums.late += u64::from(end != AttemptEnd::TimedOut);
            return None;
        };
        let cause = match end {
            AttemptEnd::Done => {
                self.sums.done += 1;
                let at = self.at(number);
                self.tasks[at].timer = None;
                self.tasks[at].state = NaiveState::Ended;
                self.workers[worker] = NaiveWorker::Reporting(number);
                return Some(Some(Ok(number)));
            }
            AttemptEnd::Failed(Failure::Retry) => FailureCause::Failed,
            AttemptEnd::Failed(Failure::Fatal) => FailureCause::Fatal,
            AttemptEnd::Panicked => FailureCause::Panicked,
            AttemptEnd::TimedOut => FailureCause::TimedOut,
        };
        self.fail(number, cause);
        let at = self.at(number);
        if self.tasks[at].state == NaiveState::BackingOff {
            self.workers[worker] = NaiveWorker::Awake;
            return Some(None);
        }
        self.tasks[at].state = NaiveState::Ended;
        self.workers[worker] = NaiveWorker::Reporting(number);
        Some(Some(Err(cause)))
    }

    pub(super) fn time_out(&mut self) {
        for number in core::mem::take(&mut self.reporting) {
            self.remove(number);
        }
        while let Some(at) = self.due() {
            let timer = self.tasks[at].timer.take();
            let late = timer.map_or(0, |(due, _)| self.now - due);
            let is_running = matches!(self.tasks[at].state, NaiveState::Running(_));
            let timeout = self.tasks[at].plan.timeout;
            if is_running && !self.tasks[at].extended && late > tolerance(timeout) {
                self.tasks[at].extended = true;
                self.set_timer(at, timeout);
                continue;
            }
            if let NaiveState::Running(worker) = self.tasks[at].state {
                self.workers[worker] = NaiveWorker::Overdue;
                let number = self.tasks[at].number;
                self.fail(number, FailureCause::TimedOut);
                if self.tasks[at].state == NaiveState::Ended {
                    self.failed.push((number, FailureCause::TimedOut));
                }
            } else {
                self.end_delay(at);
            }
        }
    }

    pub(super) fn first_timer(&self) -> Option<u64> {
        if !self.failed.is_empty() || !self.reporting.is_empty() {
            return Some(0);
        }
        self.tasks
            .iter()
            .filter_map(|task| Some(task.timer?.0))
            .min()
    }

    pub(super) fn cancel_delays(&mut self) {
        self.phase = self.phase.max(1);
        let mut delayed: Vec<_> = (0..self.tasks.len())
            .filter(|&at| {
                matches!(
                    self.tasks[at].state,
                    NaiveState::Delayed | NaiveState::BackingOff
                )
            })
            .collect();
        delayed.sort_unstable_by_key(|&at| self.tasks[at].timer);
        for at in delayed {
            self.tasks[at].timer = None;
            self.end_delay(at);
        }
    }

    /// Returns the numbers of the tasks that have not ended, and whether they have begun.
    pub(super) fn abandon(&mut self) -> Vec<(u64, bool)> {
        self.phase = 2;
        self.failed.clear();
        self.reporting.clear();
        self.sums.abandoned_running += self.running() as u64;
        self.sums.abandoned_waiting += (self.waiting() + self.delayed()) as u64;
        for worker in &mut self.workers {
            *worker = match *worker {
                NaiveWorker::Busy(_) => NaiveWorker::Overdue,
                NaiveWorker::Reporting(_) => NaiveWorker::Awake,
                other => other,
            };
        }
        let tasks = core::mem::take(&mut self.tasks).into_iter();
        let tasks = tasks.filter(|task| task.state != NaiveState::Ended);
        tasks
            .map(|task| (task.number, matches!(task.state, NaiveState::Running(_))))
            .collect()
    }

    pub(super) fn at(&self, number: u64) -> usize {
        let found = self.tasks.iter().position(|task| task.number == number);
        found.expect("a task that is there")
    }

    fn due(&self) -> Option<usize> {
        (0..self.tasks.len())
            .filter(|&at| self.tasks[at].timer.is_some_and(|(due, _)| due <= self.now))
            .min_by_key(|&at| self.tasks[at].timer)
    }

    fn end_delay(&mut self, at: usize) {
        if self.tasks[at].state == NaiveState::Delayed {
            self.enqueue(at);
        } else {
            self.tasks[at].state = NaiveState::Waiting;
            self.find_ready();
        }
    }

    fn fail(&mut self, number: u64, cause: FailureCause) {
        *match cause {
            FailureCause::Failed | FailureCause::Fatal => &mut self.sums.attempts_failed,
            FailureCause::Panicked => &mut self.sums.panicked,
            FailureCause::TimedOut => &mut self.sums.timed_out,
        } += 1;
        let at = self.at(number);
        let task = &mut self.tasks[at];
        task.timer = None;
        if cause != FailureCause::Fatal && self.phase == 0 && task.begun < task.plan.attempts {
            self.sums.retried += 1;
            task.state = NaiveState::BackingOff;
            let wait = self.backoff.wait(task.begun).as_micros() as u64;
            self.set_timer(at, wait);
            return;
        }
        self.sums.failed += 1;
        task.state = NaiveState::Ended;
        let (plan, attempts) = (task.plan, task.begun);
        let (id, at) = (self.sums.failed - 1, self.now);
        if self.dead_limit > 0 {
            self.dead.push(Dead {
                id,
                plan,
                number,
                attempts,
                cause,
                at,
            });
        }
        if self.dead_limit == 0 {
            self.sums.dead_dropped += 1;
        } else if self.dead.len() > self.dead_limit {
            self.sums.dead_dropped += 1;
            self.dead.remove(0);
        }
    }

    fn enqueue(&mut self, at: usize) {
        self.stamp += 1;
        self.tasks[at].queued_at = Some(self.stamp);
        self.tasks[at].state = NaiveState::Waiting;
        self.find_ready();
    }

    fn remove(&mut self, number: u64) {
        let at = self.at(number);
        self.tasks.remove(at);
        self.find_ready();
    }

    fn set_timer(&mut self, at: usize, wait: u64) {
        self.stamp += 1;
        self.tasks[at].timer = Some((self.now + wait, self.stamp));
    }

    /// Marks waiting tasks at the head of their queue as ready.
    fn find_ready(&mut self) {
        for at in 0..self.tasks.len() {
            let task = &self.tasks[at];
            let ahead = |other: &Task| {
                other.queued_at.is_some()
                    && other.queued_at < task.queued_at
                    && ordering_key(&other.plan).is_some()
                    && ordering_key(&other.plan) == ordering_key(&task.plan)
            };
            let is_first = !self.tasks.iter().any(ahead);
            if task.state == NaiveState::Waiting && task.ready.is_none() && is_first {
                self.stamp += 1;
                self.tasks[at].ready = Some(self.stamp);
            }
        }
    }
}

/// Returns the ordering key of a task, if it has one.
fn ordering_key(plan: &Plan) -> Option<(bool, u64)> {
    match plan.order {
        TaskOrder::Connection => Some((true, plan.conn.into())),
        TaskOrder::Key(key) => Some((false, key)),
        TaskOrder::Any => None,
    }
}

fn tolerance(timeout: u64) -> u64 {
    (timeout / 8).min(100_000)
}
