//! Owns the tasks that have failed for good: a bounded list, the oldest of which makes room, and
//! the ways out of it.

use alloc::collections::BTreeMap;

use crate::id::ConnId;
use crate::tasks::job::FailureCause;
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
