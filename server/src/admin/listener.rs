//! Listener of the admin pages and the threads that serve it.

use std::io::{self, ErrorKind, Read as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::PollFlags;
use stentor_core::config::Hosts;
use tracing::{debug, info};

use super::connection::{AdminRules, HostCheck, KeepAliveLimit, Timeouts, serve};
use super::socket::{AdminSocket, Waited, wait};
use crate::inspect::AdminBackend;
use crate::listen::{self, Listener, StreamMode};
use crate::metrics::Collector;
use crate::socket::is_peer_error;

/// An admin listener that is not served yet.
#[derive(Debug)]
pub struct Admin {
    listeners: Vec<Listener>,
    hosts: Hosts,
}

/// An admin listener that is served until this is dropped.
#[derive(Debug)]
pub struct Serving {
    /// Ends the threads when it is closed.
    stop: Option<UnixStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Admin {
    /// Returns the pages on these listeners for requests to these hosts, or `None` without a listener.
    pub(crate) fn new(listeners: Vec<Listener>, hosts: Hosts) -> Option<Self> {
        listen::warn_of_admin(&listeners);
        (!listeners.is_empty()).then_some(Self { listeners, hosts })
    }

    /// Returns the addresses, without unix sockets.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        listen::addresses(&self.listeners)
    }

    /// Starts the threads that serve the pages.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no thread or descriptor.
    pub fn serve<B: AdminBackend>(
        self,
        backend: Arc<B>,
        collector: Arc<Collector>,
    ) -> io::Result<Serving> {
        let addresses: Vec<String> = self.listeners.iter().map(ToString::to_string).collect();
        let serving = self.serve_within(backend, collector, Timeouts::DEFAULT)?;
        for address in addresses {
            info!(address, "admin pages on");
        }
        Ok(serving)
    }

    fn serve_within<B: AdminBackend>(
        self,
        backend: Arc<B>,
        collector: Arc<Collector>,
        timeouts: Timeouts,
    ) -> io::Result<Serving> {
        let (stop, stopped) = UnixStream::pair()?;
        stopped.set_nonblocking(true)?;
        let rules = AdminRules {
            check: HostCheck::new(self.hosts),
            keep_alive: KeepAliveLimit::new(MAX_KEPT),
            timeouts,
        };
        let shared = Arc::new((self.listeners, stopped, rules));
        let mut serving = Serving {
            stop: Some(stop),
            threads: Vec::new(),
        };
        for at in 0..CONNECTIONS {
            let (shared, backend, collector) = (shared.clone(), backend.clone(), collector.clone());
            let thread = thread::Builder::new().name(format!("admin-{at}"));
            let thread = thread.spawn(move || {
                let (listeners, stop, rules) = &*shared;
                let serve = |socket| serve(socket, rules, &backend, &collector);
                run(listeners, stop, &*backend, serve);
            })?;
            serving.threads.push(thread);
        }
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            // A panic was logged.
            let _ = thread.join();
        }
    }
}

/// Serves one connection after the other.
fn run<'a, B: AdminBackend>(
    listeners: &[Listener],
    stop: &'a UnixStream,
    backend: &B,
    serve: impl Fn(AdminSocket<'a>) -> io::Result<()>,
) {
    let failed = |error: &io::Error| {
        // Usually no descriptor is left, so accepting again at once would spin.
        let now = backend.dispatcher().clock().now();
        backend.counters().count_accept_error(now, error);
        thread::sleep(PAUSE);
    };
    loop {
        match wait(listeners, PollFlags::IN, stop, None) {
            Ok(Waited::Stopped) => return,
            Ok(_) => {}
            Err(error) => {
                failed(&error);
                if is_closed(stop) {
                    return;
                }
            }
        }
        // One connection per listener, so that no listener waits for a busier one.
        for listener in listeners {
            let served = match listener.accept(StreamMode::NonBlocking) {
                Ok((stream, _)) => AdminSocket::new(stream, stop).and_then(&serve),
                // There is none, or another thread was faster.
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) if is_peer_error(&error) => continue,
                Err(error) => {
                    failed(&error);
                    continue;
                }
            };
            if let Err(error) = served {
                debug!(%error, "admin connection failed");
            }
        }
    }
}

/// Returns whether the listener must end, without waiting.
fn is_closed(mut stop: &UnixStream) -> bool {
    stop.read(&mut [0]).is_ok_and(|n| n == 0)
}

/// Connections served at a time, one per thread. Others wait to be accepted.
const CONNECTIONS: usize = 4;
/// Connections of these that may be kept after a response, so that others find a thread.
const MAX_KEPT: usize = CONNECTIONS - 1;
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
