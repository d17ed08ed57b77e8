//! Owns the tasks that have failed for good: a bounded list, the oldest of which makes room, and
//! the ways out of it.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::id::ConnId;
use crate::tasks::dispatcher::Dispatcher;
use crate::tasks::job::{FailureCause, SubmitErrorKind, Submitted};
use crate::tasks::options::TaskOptions;
use crate::tasks::shared::SharedTask;
use crate::time::Timestamp;

/// What is known of a task that has failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its name in this list. Later ones have greater numbers.
    pub id: u64,
    /// Who handed the task in.
    pub conn: ConnId,
    /// How often it was tried.
    pub attempts: u16,
    /// How the last attempt failed.
    pub cause: FailureCause,
    /// When.
    pub at: Timestamp,
}

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

/// The list.
#[derive(Debug)]
pub(super) struct DeadLetters<T> {
    letters: BTreeMap<u64, DeadTask<T>>,
    limit: usize,
    next: u64,
}

#[derive(Debug)]
pub(super) struct DeadTask<T> {
    pub(super) letter: DeadLetter,
    pub(super) task: SharedTask<T>,
    pub(super) options: TaskOptions,
}

impl<T> DeadLetters<T> {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            letters: BTreeMap::new(),
            limit,
            next: 0,
        }
    }

    /// Adds one under the next number. What there is no room for comes back: the oldest, or
    /// where nothing is kept, this one.
    pub(super) fn add(&mut self, mut buried: DeadTask<T>) -> Option<SharedTask<T>> {
        if self.limit == 0 {
            return Some(buried.task);
        }
        let oldest = if self.letters.len() >= self.limit {
            self.letters.pop_first()
        } else {
            None
        };
        buried.letter.id = self.next;
        self.letters.insert(self.next, buried);
        self.next += 1;
        oldest.map(|(_, buried)| buried.task)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<DeadTask<T>> {
        self.letters.remove(&id)
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.letters.contains_key(&id)
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        self.letters.first_key_value().map(|(&id, _)| id)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&DeadLetter, &T)> {
        self.letters
            .values()
            .map(|buried| (&buried.letter, &*buried.task))
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }
}
