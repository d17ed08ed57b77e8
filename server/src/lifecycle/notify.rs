//! What the service manager is told (`sd_notify(3)`): that the server is ready, that it stops, and, if
//! it has a watchdog, that the shards answer. Without a service manager, nothing.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

use crate::host::Host;
use crate::inspect::{AdminBackend, AdminQuery};

/// The service manager of a running server. Dropping this ends its watchdog.
pub(super) struct ServiceManager {
    /// Ends the thread of the watchdog when it is dropped.
    _stop: Sender<()>,
}

impl ServiceManager {
    /// Tells that the server is ready, and from now on that it is alive.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no thread.
    pub(super) fn ready<N: Host>(host: &Arc<N>) -> io::Result<Self> {
        tell(NotifyState::Ready);
        let (stop, stopped) = channel();
        if let Some(interval) = sd_notify::watchdog_enabled() {
            let host = host.clone();
            // Twice as often as it must.
            let run = move || watch(&*host, interval / 2, &stopped);
            // It is not joined: it may wait for a shard that hangs, and ends soon after.
            thread::Builder::new().name("watchdog".into()).spawn(run)?;
        }
        Ok(Self { _stop: stop })
    }

    /// Tells that the server stops.
    pub(super) fn stopping(&self) {
        tell(NotifyState::Stopping);
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the service manager cannot be told");
    }
}

/// Tells that the server is alive whenever all shards answer.
fn watch<N: Host>(host: &N, interval: Duration, stopped: &Receiver<()>) {
    let shards: Vec<_> = host.state().limiter.shards().collect();
    let query = Arc::new(AdminQuery::Counters);
    while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        if host.ask(&shards, &query).len() == shards.len() {
            // Whoever could not be told of readiness is not told this either.
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}
