//! Shutdown of a dispatcher: delays are skipped, then tasks are refused, then abandoned.

use alloc::vec::Vec;

use crate::tasks::dispatcher::{DispatchPhase, Dispatcher, Worker};
use crate::tasks::job::Abandoned;
use crate::tasks::table::TaskState;

impl<T> Dispatcher<T> {
    /// Prepares the shutdown: ends all delays and backoffs, and makes the next attempt of each task
    /// its last. New tasks are still taken, since connections may have more input. Returns the
    /// number of sleeping workers to wake.
    pub fn cancel_delays(&mut self) -> usize {
        if self.phase == DispatchPhase::Open {
            self.phase = DispatchPhase::DelaysCancelled;
        }
        let ready = self.tasks.ready();
        for (due, at) in self.timers.take() {
            match self.tasks[at].state {
                TaskState::Running(_) => self.timers.insert(at, due),
                _ => self.end_delay(at),
            }
        }
        self.wakes_since(ready)
    }

    /// Begins the shutdown: refuses new tasks. Waiting tasks still run, once. The adapter wakes all
    /// workers, so that idle ones can end.
    pub fn handle_drain(&mut self) {
        self.cancel_delays();
        self.phase = DispatchPhase::Draining;
    }

    /// Ends the shutdown: refuses new tasks and returns every task that has not ended, in the order
    /// of submission.
    pub fn abandon(&mut self) -> impl ExactSizeIterator<Item = Abandoned<T>> + use<T> {
        self.phase = DispatchPhase::Draining;
        drop(self.timers.take());
        self.failed.clear();
        self.reporting.clear();
        for worker in &mut self.workers {
            match *worker {
                Worker::Busy(_) => {
                    *worker = Worker::Overdue;
                    self.counts.overdue += 1;
                }
                Worker::Reporting(_) => *worker = Worker::Awake,
                Worker::Awake | Worker::Asleep | Worker::Overdue => {}
            }
        }
        self.counts.abandoned_running += self.counts.running;
        self.counts.abandoned_waiting += self.counts.waiting + self.counts.delayed;
        self.counts.running = 0;
        self.counts.waiting = 0;
        self.counts.delayed = 0;
        let mut entries = self.tasks.take();
        entries.retain(|entry| entry.state != TaskState::Ended);
        entries.sort_unstable_by_key(|entry| entry.number);
        let abandoned: Vec<_> = entries
            .into_iter()
            .filter_map(|mut entry| {
                Some(Abandoned {
                    conn: entry.conn,
                    begun: matches!(entry.state, TaskState::Running(_)),
                    task: entry.task.take_shared()?,
                })
            })
            .collect();
        abandoned.into_iter()
    }
}
