//! Timers of a dispatcher: delays and backoffs that end, and attempts that take too long.

use core::time::Duration;

use crate::id::WorkerId;
use crate::tasks::dispatcher::{Dispatcher, Worker};
use crate::tasks::job::{FailedTask, FailureCause};
use crate::tasks::table::State;
use crate::time::Timestamp;

impl<T> Dispatcher<T> {
    /// Does what is due: delays and waits between attempts end, attempts time out. Says how many
    /// sleeping workers are to be woken. Whoever timed out for good is then at
    /// [`poll_lost`](Self::poll_lost).
    pub fn handle_timeout(&mut self, now: Timestamp) -> usize {
        let ready = self.tasks.ready();
        for at in self.telling.drain(..) {
            self.tasks.remove(at);
        }
        while let Some((due, at)) = self.timers.first()
            && due <= now
        {
            self.timers.remove(at);
            let state = self.tasks[at].state;
            match state {
                State::Running(_) if self.extend(now, at) => {}
                State::Running(worker) => {
                    self.workers[usize::from(worker.0)] = Worker::Overdue;
                    self.counts.overdue += 1;
                    self.counts.running -= 1;
                    if let Some(lost) = self.fail(now, at, FailureCause::TimedOut) {
                        self.lost.push_back((at, lost));
                    }
                }
                _ => self.end_wait(at),
            }
        }
        self.wakes_since(ready)
    }

    /// Until when the attempt of a worker may take; `None` if it counts as failed. For an
    /// adapter that ends attempts by itself, which asks when the deadline of its
    /// [`Job`] has come: it may have been put off.
    pub fn poll_deadline(&mut self, now: Timestamp, worker: WorkerId) -> Option<Timestamp> {
        let Some(Worker::Busy(at)) = self.worker(worker) else {
            return None;
        };
        if self.tasks[at].deadline <= now && !self.extend(now, at) {
            return None;
        }
        Some(self.tasks[at].deadline)
    }

    /// Gives an attempt its time once more if it was noticed late that it was over: then
    /// the process was stopped, or is overloaded, and the attempt could not go on either.
    fn extend(&mut self, now: Timestamp, at: u32) -> bool {
        let entry = &mut self.tasks[at];
        let timeout = entry.options.timeout.unwrap_or(self.timeout);
        let is_late = now.since(entry.deadline) > tolerance(timeout);
        if !is_late || entry.extended {
            return false;
        }
        entry.extended = true;
        entry.deadline = now.after(timeout);
        let deadline = entry.deadline;
        self.timers.remove(at);
        self.timers.insert(at, deadline);
        true
    }

    /// A task that timed out for good, for its connection to be told.
    pub fn poll_lost(&mut self) -> Option<FailedTask> {
        let (at, lost) = self.lost.pop_front()?;
        self.telling.push(at);
        Some(lost)
    }

    /// When there is something to do for [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.lost.is_empty() && self.telling.is_empty() {
            self.timers.first().map(|(due, _)| due)
        } else {
            Some(Timestamp::ORIGIN)
        }
    }
}

/// By how much it may be noticed late that an attempt's time is over, as long as all is well.
pub(super) fn tolerance(timeout: Duration) -> Duration {
    (timeout / 8).min(MAX_TOLERANCE)
}

const MAX_TOLERANCE: Duration = Duration::from_millis(100);
