//! Log lines about connections, each with a rate limit, since clients can cause them.

use stentor_core::inspect::SampledConnection;
use stentor_core::{CloseCode, Event, Timestamp};
use tracing::{debug, error, info};

use crate::Throttle;

/// Log of the connections of one shard.
#[derive(Debug)]
pub struct EventLog {
    refusals: Throttle,
    panics: Throttle,
}

impl EventLog {
    /// Returns a log with full rate limits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            refusals: Throttle::new(REFUSAL_BURST, REFUSALS),
            panics: Throttle::new(PANIC_LINES, PANIC_LINES),
        }
    }

    /// Logs an event. `sampled` is called for [`Event::Sampled`], and returns the connection.
    pub fn write(
        &mut self,
        now: Timestamp,
        event: Event,
        sampled: impl FnOnce() -> Option<SampledConnection>,
    ) {
        match event {
            Event::Sampled(_) => {
                if let Some(sampled) = sampled() {
                    write_access(&sampled);
                }
            }
            Event::Opened(id) => debug!(%id, "opened"),
            Event::Closed(id, cause) => debug!(%id, cause = cause.label(), "closed"),
            Event::Failed(id, error) => debug!(%id, error = error.label(), "failed"),
            Event::Refused(id, error) => {
                if let Some(held_back) = self.refusals.admit(now) {
                    let (status, error) = (error.status(), error.label());
                    info!(%id, status, error, held_back, "upgrade error");
                }
            }
            Event::ProxyRefused(id, error) => {
                if let Some(held_back) = self.refusals.admit(now) {
                    let error = error.label();
                    info!(%id, error, held_back, "no valid PROXY header");
                }
            }
            Event::Panicked(id) => {
                if let Some(held_back) = self.panics.admit(now) {
                    error!(%id, held_back, "a callback panicked; its connection is closed");
                }
            }
            _ => debug!(?event),
        }
    }
}

/// Logs a connection that has ended.
fn write_access(sampled: &SampledConnection) {
    let SampledConnection {
        connection,
        application,
        ..
    } = sampled;
    let of = |name: &str| {
        let mut fields = application.iter();
        let field = fields.find(|(other, _)| *other == name);
        field.map(|(_, value)| value.as_str())
    };
    info!(
        id = %connection.id,
        address = connection.peer.map(|peer| peer.to_string()),
        user = of("user"),
        client = of("client"),
        transport = of("transport"),
        protocol = of("protocol"),
        name = of("name"),
        seconds = connection.open_for.as_secs_f64(),
        cause = connection.ending.cause.label(),
        code = connection.ending.code.map(CloseCode::get),
        "a connection has ended"
    );
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

/// Log of one listener about the connection limit.
#[derive(Debug)]
pub struct LimitLog {
    lines: Throttle,
}

impl LimitLog {
    /// Returns a log with a full rate limit.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lines: Throttle::new(LIMIT_BURST, LIMIT_LINES),
        }
    }

    /// Logs that a connection exceeded `limit`.
    pub fn write(&mut self, now: Timestamp, limit: usize) {
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

/// Lines of a shard about refused requests, at once and per second.
const REFUSAL_BURST: u32 = 200;
const REFUSALS: u32 = 10;
/// Lines about panics of a shard, at once and per second.
const PANIC_LINES: u32 = 5;
/// Lines of a listener about the connection limit, at once and per second.
const LIMIT_BURST: u32 = 50;
const LIMIT_LINES: u32 = 2;
