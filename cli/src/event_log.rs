//! Owns the log lines that strangers can cause: what a line says of an event, and that there are
//! only so many of them a second.

use std::time::Instant;

use stentor_core::{Event, ShardId};
use tracing::{debug, error, info};

use crate::Throttle;

/// The lines of one shard about its connections.
#[derive(Debug)]
pub struct EventLog {
    refusals: Throttle,
    panics: Throttle,
}

impl EventLog {
    /// Nothing written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            refusals: Throttle::new(REFUSAL_BURST, REFUSALS),
            panics: Throttle::new(PANIC_LINES, PANIC_LINES),
        }
    }

    /// Writes down what happened.
    pub fn write(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened(id) => debug!(%id, "opened"),
            Event::Closed(id, cause) => debug!(%id, cause = cause.label(), "closed"),
            Event::Failed(id, error) => debug!(%id, error = error.label(), "failed"),
            Event::Refused(id, error) => {
                if let Some(held_back) = self.refusals.admit(now) {
                    let (status, error) = (error.status(), error.label());
                    info!(%id, status, error, held_back, "upgrade error");
                }
            }
            _ => debug!(?event),
        }
    }

    /// Logs that the shard has panicked, for which a message may be enough.
    pub fn write_panic(&mut self, now: Instant, shard: ShardId) {
        if let Some(held_back) = self.panics.admit(now) {
            error!(
                shard = shard.0,
                held_back, "a shard has panicked; its connections are closed"
            );
        }
    }
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

/// The lines of one listener about the limit of connections.
#[derive(Debug)]
pub struct LimitLog {
    lines: Throttle,
}

impl LimitLog {
    /// Nothing written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lines: Throttle::new(LIMIT_BURST, LIMIT_LINES),
        }
    }

    /// Writes down that one more than `limit` came.
    pub fn write(&mut self, now: Instant, limit: usize) {
        if let Some(held_back) = self.lines.admit(now) {
            info!(limit, held_back, "connection limit reached");
        }
    }
}

impl Default for LimitLog {
    fn default() -> Self {
        Self::new()
    }
}

/// Lines about refused requests that a shard writes at once, and in a second.
const REFUSAL_BURST: u32 = 200;
const REFUSALS: u32 = 10;
/// Lines about panics of a shard, at once and in a second.
const PANIC_LINES: u32 = 5;
/// Lines about the limit of connections that a listener writes at once, and in a second.
const LIMIT_BURST: u32 = 50;
const LIMIT_LINES: u32 = 2;
