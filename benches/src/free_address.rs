//! Owns the choice of an address for a server that is about to be started.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Returns a loopback address that nobody listens on. Its port is none of those that the system
/// hands out: until the server has it, another process could be given it, or connect to itself.
///
/// # Errors
/// Returns what the system says if it refuses a thousand ports in a row.
pub fn free_address() -> io::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time are far apart.
    let own = (std::process::id() as u16).wrapping_mul(40_503);
    let mut tried = 0;
    loop {
        let port = 10_000 + own.wrapping_add(NEXT.fetch_add(1, Relaxed)) % 20_000;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return listener.local_addr(),
            Err(error) if tried >= 1_000 => return Err(error),
            Err(_) => tried += 1,
        }
    }
}
