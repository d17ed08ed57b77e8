//! Timers of a dispatcher: delays and backoffs that end, and attempts that exceed their time.

use core::time::Duration;

use crate::id::WorkerId;
use crate::tasks::dispatcher::{Dispatcher, Worker};
use crate::tasks::job::{FailedTask, FailureCause};
use crate::tasks::table::TaskState;
use crate::time::Timestamp;

impl<T> Dispatcher<T> {
    /// Ends the delays, backoffs and attempts that are due, and returns the number of sleeping
    /// workers to wake. Tasks whose last attempt timed out are then at
    /// [`poll_failed`](Self::poll_failed).
    pub fn handle_timeout(&mut self, now: Timestamp) -> usize {
        let ready = self.tasks.ready();
        for at in self.reporting.drain(..) {
            self.tasks.remove(at);
        }
        while let Some((due, at)) = self.timers.first()
            && due <= now
        {
            self.timers.remove(at);
            let state = self.tasks[at].state;
            match state {
                TaskState::Running(_) if self.extend(now, at) => {}
                TaskState::Running(worker) => {
                    self.workers[usize::from(worker.0)] = Worker::Overdue;
                    self.counts.overdue += 1;
                    self.counts.running -= 1;
                    if let Some(failed) = self.fail(now, at, FailureCause::TimedOut) {
                        self.failed.push_back((at, failed));
                    }
                }
                _ => self.end_delay(at),
            }
        }
        self.wakes_since(ready)
    }

    /// Returns the deadline of a worker's attempt; `None` if the attempt counts as failed. For an
    /// adapter that stops attempts itself: it asks at the deadline of its
    /// [`Job`](crate::tasks::Job), since the deadline may have been extended.
    pub fn poll_deadline(&mut self, now: Timestamp, worker: WorkerId) -> Option<Timestamp> {
        let Some(Worker::Busy(at)) = self.worker(worker) else {
            return None;
        };
        if self.tasks[at].deadline <= now && !self.extend(now, at) {
            return None;
        }
        Some(self.tasks[at].deadline)
    }

    /// Gives an attempt its time once more if the time-out is noticed late: the process was stopped
    /// or is overloaded, and the attempt could not proceed either.
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

    /// Returns a task whose last attempt timed out, for the notification of its connection.
    pub fn poll_failed(&mut self) -> Option<FailedTask> {
        let (at, failed) = self.failed.pop_front()?;
        self.reporting.push(at);
        Some(failed)
    }

    /// Returns the time of the next [`handle_timeout`](Self::handle_timeout), if one is needed.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.failed.is_empty() && self.reporting.is_empty() {
            self.timers.first().map(|(due, _)| due)
        } else {
            Some(Timestamp::ORIGIN)
        }
    }
}

/// Returns the lateness of a time-out that is normal under load.
pub(super) fn tolerance(timeout: Duration) -> Duration {
    (timeout / 8).min(MAX_TOLERANCE)
}

const MAX_TOLERANCE: Duration = Duration::from_millis(100);
