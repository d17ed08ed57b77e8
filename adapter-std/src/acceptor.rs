//! Acceptor: takes new sockets and gives each to the shard with the fewest connections, up to the
//! connection limit. The limit is the server's.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use stentor_core::Handler;
use stentor_core::node::TurnBudget;
use stentor_core::proto::http::HandshakeError;
use stentor_core::proto::http::response;
use stentor_server::host::Arrival;
use stentor_server::socket::is_peer_error;
use stentor_server::{Listener, StreamMode, Throttle};
use tracing::warn;

use crate::connection;
use crate::locked_shard::{LockedShards, ShardState};

/// Accepts sockets from all listeners until the other end of `stop` is closed.
pub(crate) fn run<H>(listeners: &[Listener], stop: &UnixStream, host: &Arc<LockedShards<H>>)
where
    H: Handler + Send + 'static,
    H::State: Send,
{
    let mut acceptor = Acceptor {
        host,
        failures: Throttle::new(FAILURES, FAILURES),
        dismissed: VecDeque::new(),
    };
    loop {
        let mut ready: Vec<_> = listeners
            .iter()
            .map(|listener| PollFd::new(listener, PollFlags::IN))
            .collect();
        ready.push(PollFd::new(stop, PollFlags::IN));
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                // For example if the limit of open files is below the number of listeners.
                let now = host.state.clock().now();
                host.state.counters.count_accept_error(now, &error.into());
                thread::sleep(PAUSE);
                if is_closed(stop) {
                    return;
                }
                continue;
            }
        }
        if ready.pop().is_some_and(|stop| !stop.revents().is_empty()) {
            return;
        }
        for (listener, ready) in listeners.iter().zip(ready) {
            if !ready.revents().is_empty() {
                acceptor.accept(listener);
            }
        }
    }
}

fn is_closed(stop: &UnixStream) -> bool {
    recv(stop, &mut [0; 1], RecvFlags::DONTWAIT).is_ok_and(|(_, n)| n == 0)
}

struct Acceptor<'a, H: Handler> {
    host: &'a Arc<LockedShards<H>>,
    failures: Throttle,
    /// Sockets that were answered because no thread could be started for them. They are kept for a
    /// while, or the kernel might discard the answer.
    dismissed: VecDeque<TcpStream>,
}

impl<H> Acceptor<'_, H>
where
    H: Handler + Send + 'static,
    H::State: Send,
{
    fn accept(&mut self, listener: &Listener) {
        for _ in 0..TurnBudget::ACCEPTS {
            match listener.accept(StreamMode::Blocking) {
                Ok((stream, peer)) => {
                    let arrival = listener.arrival(peer);
                    if let Some(delay) = self.host.state.accept_delay() {
                        thread::sleep(delay);
                    }
                    self.admit(stream, arrival);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    // Usually the process has no descriptor left: accepting again at once would
                    // spin.
                    let now = self.host.state.clock().now();
                    self.host.state.counters.count_accept_error(now, &error);
                    thread::sleep(PAUSE);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, arrival: Arrival) {
        let state = &self.host.state;
        let Some(place) = state.admit() else {
            return;
        };
        // On Linux a socket inherits this option from its listener.
        #[cfg(not(target_os = "linux"))]
        let _ = stream.set_nodelay(true);
        let enter = move |inside: &mut ShardState<H, TcpStream>| {
            arrival.enter(inside.now, place.1, &mut inside.shard)
        };
        if let Err((error, stream)) = connection::start(self.host, stream, place, enter) {
            state.limiter.count_refused();
            if let Some(held_back) = self.failures.admit(state.clock().now()) {
                warn!(%error, held_back, "no thread for a connection");
            }
            if let Some(stream) = stream {
                self.dismiss(stream);
            }
        }
    }

    /// Answers that the server is full, whatever the request is.
    fn dismiss(&mut self, mut stream: TcpStream) {
        let mut answer = Vec::new();
        response::refusal(&mut answer, HandshakeError::Full, false);
        // A new socket has room for such a short answer; one that is gone needs none.
        let _ = send(&stream, &answer, SendFlags::DONTWAIT);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.set_nonblocking(true);
        // Unread bytes would make the kernel reset the connection when the socket is closed.
        let mut unread = [0; 4_096];
        let _ = stream.read(&mut unread);
        self.dismissed.push_back(stream);
        if self.dismissed.len() > MOST_DISMISSED
            && let Some(mut oldest) = self.dismissed.pop_front()
        {
            let _ = oldest.read(&mut unread);
        }
    }
}

const PAUSE: Duration = Duration::from_millis(50);
/// Log lines about threads that could not be started: burst, and rate per second.
const FAILURES: u32 = 2;
/// Maximum number of answered sockets that are kept.
const MOST_DISMISSED: usize = 32;
