//! Tasks that the dispatcher and workers share, and ended tasks.
//!
//! Nothing here runs code of the application, except the drop of a task.

use core::fmt;
use core::ops::Deref;

use crate::sync::primitive::Arc;

/// A task that the dispatcher also holds. A worker copies it for its attempt, outside the lock of
/// the dispatcher; the dispatcher never copies a task.
///
/// Drop it outside that lock: it may be the last reference.
pub struct SharedTask<T>(Arc<Option<T>>);

/// An ended task. Its drop is code of the application: drop it outside the lock of the dispatcher,
/// where panics are caught.
#[must_use = "it is to be dropped outside the lock of the dispatcher"]
pub struct Spent<T>(Rest<T>);

enum Rest<T> {
    Task(T),
    Shared(#[expect(dead_code, reason = "it is there to be dropped")] SharedTask<T>),
}

/// A slot for a task. Its memory is reused by the next task if no worker still refers to it.
#[derive(Debug)]
pub(super) struct Cell<T>(Option<SharedTask<T>>);

impl<T> Cell<T> {
    /// A cell without memory.
    pub(super) const EMPTY: Self = Self(None);

    /// Puts a task in; the previous one was [taken](Self::take).
    pub(super) fn put(&mut self, task: T) {
        if let Some(SharedTask(shared)) = &mut self.0
            && let Some(place) = Arc::get_mut(shared)
        {
            debug_assert!(place.is_none(), "the task before was taken");
            *place = Some(task);
            return;
        }
        self.0 = Some(SharedTask(Arc::new(Some(task))));
    }

    /// Returns a reference to the task, for a worker; `None` once it has ended.
    pub(super) fn share(&self) -> Option<SharedTask<T>> {
        let SharedTask(shared) = self.0.as_ref()?;
        shared.is_some().then(|| SharedTask(shared.clone()))
    }

    /// Removes the task. Its memory stays here unless a worker refers to it.
    pub(super) fn take(&mut self) -> Option<Spent<T>> {
        let SharedTask(shared) = self.0.as_mut()?;
        match Arc::get_mut(shared) {
            Some(place) => place.take().map(|task| Spent(Rest::Task(task))),
            None => self.take_shared().map(|shared| Spent(Rest::Shared(shared))),
        }
    }

    /// Removes the task with its memory.
    pub(super) fn take_shared(&mut self) -> Option<SharedTask<T>> {
        self.0.take()
    }
}

impl<T> SharedTask<T> {
    /// Returns the task to the dispatcher.
    pub(super) const fn into_cell(self) -> Cell<T> {
        Cell(Some(self))
    }

    /// Marks the task as ended.
    pub(super) const fn into_spent(self) -> Spent<T> {
        Spent(Rest::Shared(self))
    }
}

impl<T> Deref for SharedTask<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // A shared task without a value is in a cell only.
        self.0.as_ref().as_ref().expect("a shared task is there")
    }
}

// Not derived: the task's own Debug is code of the application.
impl<T> fmt::Debug for SharedTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTask").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Spent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spent").finish_non_exhaustive()
    }
}
