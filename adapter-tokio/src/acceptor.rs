//! Owns the listeners: new sockets go to the shard with the fewest, up to the
//! limit of connections, which is exact because they all pass here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use stentor_cli::{Settings, Throttle};
use stentor_core::{Admission, Handler};
use tracing::{info, warn};

use crate::door::{Doors, Post};
use crate::readiness;

/// Sockets that never reached a shard.
#[derive(Debug, Default)]
pub(crate) struct Turned {
    full: AtomicU64,
    errors: AtomicU64,
}

impl Turned {
    pub(crate) fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

/// Opens every address that is to be listened on. Of the default addresses one
/// may be missing, such as that of IPv6 on a machine without it; but not because
/// somebody else has it, who would get half of the visitors.
pub(crate) fn listen(settings: &Settings) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut failure = None;
    for &address in &settings.listen {
        match open(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                let error = io::Error::new(error.kind(), format!("{address}: {error}"));
                if !settings.listen_is_default || error.kind() == io::ErrorKind::AddrInUse {
                    return Err(error);
                }
                warn!(%error, "not listening");
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // An address means itself: the IPv4 ones are listed on their own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Takes sockets of one listener until it is dropped.
pub(crate) async fn run<H: Handler>(
    listener: TcpListener,
    limit: usize,
    doors: Arc<Doors<H>>,
    turned: Arc<Turned>,
) -> io::Result<()> {
    let listener = readiness::of_listener(listener)?;
    let mut lines = Throttle::new(LIMIT_BURST, LIMIT_LINES);
    loop {
        let mut ready = listener.readable().await?;
        for _ in 0..ACCEPTS {
            match ready.get_inner().accept() {
                Ok((stream, _)) => admit(stream, limit, &doors, &turned, &mut lines),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    break;
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    // Mostly that no descriptor is left: accepting again at once would spin.
                    turned.errors.fetch_add(1, Ordering::Relaxed);
                    warn!(%error, "accept error");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(ready);
        tokio::task::yield_now().await;
    }
}

fn admit<H: Handler>(
    stream: TcpStream,
    limit: usize,
    doors: &Doors<H>,
    turned: &Turned,
    lines: &mut Throttle,
) {
    let Some((shard, admission)) = doors.admit(limit) else {
        turned.full.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if admission == Admission::Surplus
        && let Some(held_back) = lines.admit(Instant::now())
    {
        info!(limit, held_back, "connection limit reached");
    }
    // Frames are sent when they are ready; the core already batches them.
    let _ = stream.set_nodelay(true);
    doors.post(shard, Post::Socket(stream, admission));
}

/// Whether a socket failed before it was accepted, which concerns nobody else.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

const BACKLOG: i32 = 4_096;
/// Sockets taken before others of the same thread have their turn.
const ACCEPTS: usize = 256;
const PAUSE: Duration = Duration::from_millis(50);
/// Lines about the limit of connections that a listener writes at once, and in a second.
const LIMIT_BURST: u32 = 50;
const LIMIT_LINES: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_address_may_be_missing_but_not_taken() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut settings = Settings::parse(["stentor"], |_| None, |_| unreachable!());
        let settings = settings.as_mut().expect("the defaults");
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        // Kept for documentation (RFC 5737): no machine has it.
        settings.listen = vec![free, SocketAddr::from(([192, 0, 2, 1], 0))];
        assert_eq!(listen(settings).expect("one is enough").len(), 1);
        settings.listen = vec![free, taken.local_addr().expect("an address")];
        let error = listen(settings).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
