//! Owns the server's end of what the application's other threads say: the gate, and the line that
//! leads through it. How somebody waits at the gate is the adapter's business.

use std::fmt;
use std::sync::Arc;

use stentor_core::{Config, ServerEnd, ServerHandle};

use crate::line::{Line, Notifier, Shards};

/// The gate to a server, and what leads through it.
pub struct Outside<B> {
    /// Says how much is under way, and lets nobody in before the server serves.
    pub gate: ServerEnd,
    line: Line<B>,
}

impl<B: Notifier + Default + 'static> Outside<B> {
    /// That of a server of this configuration, which does not serve yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let line = Line::new(B::default());
        Self {
            gate: ServerEnd::new(config, line.clone()),
            line,
        }
    }

    /// What a handle for other threads consists of.
    #[must_use]
    pub fn handle(&self) -> (ServerHandle, Line<B>) {
        (self.gate.remote(), self.line.clone())
    }

    /// Lets commands in, to these shards.
    pub fn begin<S: Shards + 'static>(&self, shards: &Arc<S>) {
        self.line.connect(shards);
        self.gate.begin();
    }

    /// What wakes those who wait.
    #[must_use]
    pub fn bell(&self) -> &B {
        self.line.bell()
    }
}

impl<B> fmt::Debug for Outside<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outside").field(&self.gate).finish()
    }
}
