//! Owns the listener and the threads that serve it, and that they end.

use std::io::{self, ErrorKind, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::PollFlags;
use stentor_cli::admin::AdminBackend;
use stentor_cli::listen::is_of_the_peer;
use stentor_cli::{Settings, listen};
use stentor_core::Hosts;
use tracing::{debug, info};

use crate::exchange::{Door, Times, serve};
use crate::socket::{Socket, Waited, wait};

/// An admin listener that nobody serves yet.
#[derive(Debug)]
pub struct Admin {
    listeners: Vec<TcpListener>,
    hosts: Hosts,
}

/// An admin listener that is served until this is dropped.
#[derive(Debug)]
pub struct Serving {
    /// Closed, it ends the threads.
    stop: Option<UnixStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Admin {
    /// Opens its addresses, if the settings ask for any.
    ///
    /// # Errors
    /// What the operating system says of an address.
    pub fn open(settings: &Settings) -> io::Result<Option<Self>> {
        let listeners = listen::open_admin(settings)?;
        let hosts = settings.admin_hosts.clone();
        Ok((!listeners.is_empty()).then_some(Self { listeners, hosts }))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        listen::addresses(&self.listeners)
    }

    /// Serves it.
    ///
    /// # Errors
    /// A thread or a descriptor that the operating system does not give.
    pub fn serve<R: AdminBackend>(self, reach: Arc<R>) -> io::Result<Serving> {
        let addresses = self.addresses()?;
        let serving = self.serve_in(reach, Times::USUAL)?;
        for address in addresses {
            info!(%address, "admin pages on");
        }
        Ok(serving)
    }

    fn serve_in<R: AdminBackend>(self, reach: Arc<R>, times: Times) -> io::Result<Serving> {
        let (stop, stopped) = UnixStream::pair()?;
        stopped.set_nonblocking(true)?;
        let door = Arc::new(Door::new(self.hosts));
        let shared = Arc::new((self.listeners, stopped));
        let mut serving = Serving {
            stop: Some(stop),
            threads: Vec::new(),
        };
        for at in 0..CONNECTIONS {
            let (shared, door, reach) = (shared.clone(), door.clone(), reach.clone());
            let thread = thread::Builder::new().name(format!("admin-{at}"));
            let thread = thread.spawn(move || {
                let (listeners, stop) = &*shared;
                run(listeners, stop, &door, &*reach, times);
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
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Serves one connection after the other.
fn run<R: AdminBackend>(
    listeners: &[TcpListener],
    stop: &UnixStream,
    door: &Door,
    reach: &R,
    times: Times,
) {
    let failed = |error: &io::Error| {
        // Mostly that no descriptor is left: accepting again at once would spin.
        reach.census().accept_failed(error);
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
        // One of each, so that none has to wait for another that is busier.
        for listener in listeners {
            let served = match listener.accept() {
                Ok((stream, _)) => {
                    Socket::new(stream, stop).and_then(|it| serve(it, door, reach, times))
                }
                // Nobody is here, or another thread was faster.
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) if is_of_the_peer(&error) => continue,
                Err(error) => {
                    failed(&error);
                    continue;
                }
            };
            if let Err(error) = served {
                debug!(%error, "an admin connection");
            }
        }
    }
}

/// Whether the listener is to end, for where that cannot be waited for.
fn is_closed(mut stop: &UnixStream) -> bool {
    stop.read(&mut [0]).is_ok_and(|n| n == 0)
}

/// Connections that are served at a time: each has a thread. More wait to be accepted.
const CONNECTIONS: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
