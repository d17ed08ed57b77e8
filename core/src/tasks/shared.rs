//! Tasks that the dispatcher and workers hold together, and what is left of those that are over.
//! Nothing here runs code of the application but the end of what is dropped.

use core::fmt;
use core::ops::Deref;

use crate::sync::primitive::Arc;

/// A task that the dispatcher holds too. A worker copies it for its attempt, outside the lock of
/// the dispatcher; the dispatcher itself never copies a task.
///
/// To be dropped outside that lock: it may be the last that holds the task.
pub struct SharedTask<T>(Arc<Option<T>>);

/// What is left of a task that is over. Its drop is the application's code: it belongs outside
/// the lock of the dispatcher, and where a panic is caught.
#[must_use = "it is to be dropped outside the lock of the dispatcher"]
pub struct Spent<T>(Rest<T>);

enum Rest<T> {
    Task(T),
    Shared(#[expect(dead_code, reason = "it is there to be dropped")] SharedTask<T>),
}

/// Where the dispatcher keeps a task: memory that is used again by the next, as far as no worker
/// holds it still.
#[derive(Debug)]
pub(super) struct Cell<T>(Option<SharedTask<T>>);

impl<T> Cell<T> {
    /// One without memory.
    pub(super) const EMPTY: Self = Self(None);

    /// Puts a task in; the one before was [taken](Self::take).
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

    /// The task, for a worker; none once it is over.
    pub(super) fn share(&self) -> Option<SharedTask<T>> {
        let SharedTask(shared) = self.0.as_ref()?;
        shared.is_some().then(|| SharedTask(shared.clone()))
    }

    /// The task, which leaves its memory behind only if nobody else holds it.
    pub(super) fn take(&mut self) -> Option<Spent<T>> {
        let SharedTask(shared) = self.0.as_mut()?;
        match Arc::get_mut(shared) {
            Some(place) => place.take().map(|task| Spent(Rest::Task(task))),
            None => self.take_shared().map(|shared| Spent(Rest::Shared(shared))),
        }
    }

    /// The task with its memory.
    pub(super) fn take_shared(&mut self) -> Option<SharedTask<T>> {
        self.0.take()
    }
}

impl<T> SharedTask<T> {
    /// One that the dispatcher is given back.
    pub(super) const fn into_cell(self) -> Cell<T> {
        Cell(Some(self))
    }

    /// Nobody needs it any more.
    pub(super) const fn into_spent(self) -> Spent<T> {
        Spent(Rest::Shared(self))
    }
}

impl<T> Deref for SharedTask<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // One without a task is in a cell, and is not shared.
        self.0.as_ref().as_ref().expect("a shared task is there")
    }
}

// Not the application's: that is not to be called here.
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
