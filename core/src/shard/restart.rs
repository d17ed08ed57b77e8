//! Replacement of the engine and the application after a panic.

use crate::app::Handler;
use crate::engine::Engine;
use crate::engine::output::Leftover;
use crate::shard::Shard;

impl<H: Handler> Shard<H> {
    /// Begins anew after a panic: without connections, so the adapter closes
    /// their sockets. Messages that were not handled or not posted are kept,
    /// counters go on, and what waited in queues counts as discarded. Names of
    /// connections are not given out again. What the application had here comes
    /// out to be [dropped](crate::Output::Dispose). Without another handler, the one there goes on.
    pub fn restart(&mut self, handler: impl Into<Option<H>>) {
        let empty = Engine::new(self.engine.id, self.engine.config.clone());
        let failed = core::mem::replace(&mut self.engine, empty);
        self.engine = failed.restart();
        if let Some(handler) = handler.into() {
            let failed = core::mem::replace(&mut self.handler, handler);
            self.engine.dispose(Leftover::handler(failed));
        }
    }
}
