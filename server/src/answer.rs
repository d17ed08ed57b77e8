//! Answer of a shard to an admin query, on its way to the thread that waits for it.

use std::fmt;

/// The answer of a shard to an admin query.
pub struct PendingAnswer(Box<dyn FnOnce() + Send>);

impl PendingAnswer {
    #[cfg(feature = "program")]
    pub(crate) fn new(send: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(send))
    }

    /// Sends the answer. The caller may have stopped waiting.
    pub fn send(self) {
        (self.0)();
    }
}

impl fmt::Debug for PendingAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAnswer").finish_non_exhaustive()
    }
}
