//! Bounded list of the tasks that have failed for good. The oldest makes room.

use alloc::collections::BTreeMap;

use crate::id::ConnId;
use crate::tasks::job::FailureCause;
use crate::tasks::options::TaskOptions;
use crate::tasks::shared::SharedTask;
use crate::time::Timestamp;

/// A task that has failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The number in the list. Later tasks have greater numbers.
    pub id: u64,
    /// The connection that submitted the task.
    pub conn: ConnId,
    /// The number of attempts.
    pub attempts: u16,
    /// The failure of the last attempt.
    pub cause: FailureCause,
    /// The time of the failure.
    pub at: Timestamp,
}

/// Dead tasks by their numbers.
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

    /// Adds a task under the next number. Returns the one that is dropped for it: the oldest, or
    /// this one if the limit is zero.
    pub(super) fn add(&mut self, mut dead: DeadTask<T>) -> Option<SharedTask<T>> {
        if self.limit == 0 {
            return Some(dead.task);
        }
        let oldest = if self.letters.len() >= self.limit {
            self.letters.pop_first()
        } else {
            None
        };
        dead.letter.id = self.next;
        self.letters.insert(self.next, dead);
        self.next += 1;
        oldest.map(|(_, dead)| dead.task)
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
            .map(|dead| (&dead.letter, &*dead.task))
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }
}
