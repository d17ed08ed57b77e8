//! Dead letters of a dispatcher: reading, removal and resubmission.

use core::time::Duration;

use crate::tasks::dead::DeadLetter;
use crate::tasks::dispatcher::Dispatcher;
use crate::tasks::job::{SubmitErrorKind, Submitted};
use crate::tasks::shared::SharedTask;
use crate::time::Timestamp;

impl<T> Dispatcher<T> {
    /// Returns the tasks that have failed for good and are kept, the oldest first.
    pub fn dead_letters(&self) -> impl ExactSizeIterator<Item = (&DeadLetter, &T)> {
        self.dead.iter()
    }

    /// Removes a task from the list. Drop it outside the adapter's lock.
    pub fn take_dead_letter(&mut self, id: u64) -> Option<(DeadLetter, SharedTask<T>)> {
        let dead = self.dead.remove(id)?;
        self.counts.dead_taken += 1;
        Some((dead.letter, dead.task))
    }

    /// Removes a task from the list and submits it again with its options, but without a delay and
    /// with all its attempts. Its connection was notified of the failure and is not notified again.
    /// `Ok(None)` if it is not in the list.
    ///
    /// # Errors
    /// Returns the reason if the queue is full or the server is draining; the task stays in the
    /// list.
    pub fn handle_resubmit(
        &mut self,
        now: Timestamp,
        id: u64,
    ) -> Result<Option<Submitted>, SubmitErrorKind> {
        if !self.dead.contains(id) {
            return Ok(None);
        }
        if let Some(reason) = self.refusal() {
            return Err(reason);
        }
        let Some(dead) = self.dead.remove(id) else {
            return Ok(None);
        };
        self.counts.dead_taken += 1;
        self.counts.resubmitted += 1;
        let options = dead.options.delay(Duration::ZERO);
        Ok(Some(self.admit(
            now,
            dead.letter.conn,
            |cell| *cell = dead.task.into_cell(),
            options,
            false,
        )))
    }

    /// Calls [`handle_resubmit`](Self::handle_resubmit) for every task, the oldest first, until the
    /// queue is full. Returns the number of resubmitted tasks and the number of sleeping workers to
    /// wake.
    pub fn handle_resubmit_all(&mut self, now: Timestamp) -> (usize, usize) {
        let (ready, kept) = (self.tasks.ready(), self.dead.len());
        while let Some(oldest) = self.dead.oldest()
            && let Ok(Some(_)) = self.handle_resubmit(now, oldest)
        {}
        (kept - self.dead.len(), self.wakes_since(ready))
    }
}
