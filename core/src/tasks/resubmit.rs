//! Dead letters of a dispatcher: their list, and the ways out of it.

use core::time::Duration;

use crate::tasks::dead::DeadLetter;
use crate::tasks::dispatcher::Dispatcher;
use crate::tasks::job::{SubmitErrorKind, Submitted};
use crate::tasks::shared::SharedTask;
use crate::time::Timestamp;

impl<T> Dispatcher<T> {
    /// The tasks that have failed for good and are kept, the oldest first.
    pub fn dead_letters(&self) -> impl ExactSizeIterator<Item = (&DeadLetter, &T)> {
        self.dead.iter()
    }

    /// Takes one of them out of the list. The task is to be dropped outside the adapter's lock.
    pub fn take_dead_letter(&mut self, id: u64) -> Option<(DeadLetter, SharedTask<T>)> {
        let buried = self.dead.remove(id)?;
        self.counts.dead_taken += 1;
        Some((buried.letter, buried.task))
    }

    /// Takes one of them out of the list and submits it again, as it was then but for its delay,
    /// with all its attempts before it. Its connection has been told that it failed, and is not
    /// told again.
    ///
    /// # Errors
    /// It stays where it is, if the queue is full or the server is draining. `Ok(None)` if it is
    /// not in the list.
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
        let Some(buried) = self.dead.remove(id) else {
            return Ok(None);
        };
        self.counts.dead_taken += 1;
        self.counts.resubmitted += 1;
        let options = buried.options.delay(Duration::ZERO);
        Ok(Some(self.admit(
            now,
            buried.letter.conn,
            |cell| *cell = buried.task.into_cell(),
            options,
            false,
        )))
    }

    /// [`handle_resubmit`](Self::handle_resubmit) of all of them, the oldest first, as far as there
    /// is room. How many that were, and how many sleeping workers are to be woken.
    pub fn handle_resubmit_all(&mut self, now: Timestamp) -> (usize, usize) {
        let (ready, kept) = (self.tasks.ready(), self.dead.len());
        while let Some(oldest) = self.dead.oldest()
            && let Ok(Some(_)) = self.handle_resubmit(now, oldest)
        {}
        (kept - self.dead.len(), self.wakes_since(ready))
    }
}
