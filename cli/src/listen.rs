//! Owns the birth of listeners: which addresses a server must have to start, with which options
//! they are opened, and which failures to accept concern only the peer. Accepts nothing.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use tracing::{info, warn};

use crate::Settings;

/// Opens every address that is to be listened on; accepting does not block. Of the default
/// addresses one may be missing, such as that of IPv6 on a machine without it; but not because
/// somebody else has it, who would get half of the visitors.
///
/// # Errors
/// What the operating system says of an address that must be there, and of which address.
pub fn open(settings: &Settings) -> io::Result<Vec<TcpListener>> {
    open_all(settings, |address| open_one(address, settings))
}

/// Opens the address of the admin pages, if there is one; accepting does not block. Warns where
/// strangers might come.
///
/// # Errors
/// What the operating system says of the address.
pub fn open_admin(settings: &Settings) -> io::Result<Option<TcpListener>> {
    let Some(address) = settings.admin_listen else {
        return Ok(None);
    };
    if !address.ip().to_canonical().is_loopback() {
        warn!(%address, "whoever reaches the admin pages may use them");
    }
    let opened = open_one(address, settings);
    opened
        .map(Some)
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
}

/// The addresses of listeners.
///
/// # Errors
/// What the operating system says.
pub fn addresses(listeners: &[TcpListener]) -> io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

/// Writes down where a server listens.
///
/// # Errors
/// What the operating system says.
pub fn announce(listeners: &[TcpListener]) -> io::Result<()> {
    for address in addresses(listeners)? {
        info!(%address, "listening on");
    }
    Ok(())
}

/// Whether a socket failed before it was accepted, which concerns nobody else.
#[must_use]
pub fn is_of_the_peer(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn open_all<L>(
    settings: &Settings,
    mut open: impl FnMut(SocketAddr) -> io::Result<L>,
) -> io::Result<Vec<L>> {
    let mut listeners = Vec::new();
    let mut failure = None;
    for &address in &settings.listen {
        match open(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                let error = io::Error::new(error.kind(), format!("{address}: {error}"));
                if !settings.listen_is_default || error.kind() == ErrorKind::AddrInUse {
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

fn open_one(address: SocketAddr, settings: &Settings) -> io::Result<TcpListener> {
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
    // Who has gone again by the time it is accepted must not block the others.
    socket.set_nonblocking(true)?;
    // What is set here, each accepted socket begins with, at no further call. Frames are
    // sent when they are ready; the core already batches them.
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_notsent_lowat(settings.unsent_bytes)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = settings;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

const BACKLOG: i32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn an_accepted_socket_has_what_was_set_for_all() {
        let arguments = ["stentor", "--listen=127.0.0.1:0", "--unsent-bytes=8KiB"];
        let settings = Settings::parse(arguments, |_| None, |_| unreachable!());
        let listeners = open(&settings.expect("valid")).expect("a free port");
        let _peer = std::net::TcpStream::connect(listeners[0].local_addr().expect("bound"));
        listeners[0].set_nonblocking(false).expect("a socket");
        let accepted = Socket::from(listeners[0].accept().expect("a peer").0);
        assert!(accepted.tcp_nodelay().expect("a socket"));
        assert_eq!(accepted.tcp_notsent_lowat().expect("a socket"), 8 << 10);
    }

    #[test]
    fn a_default_address_may_be_missing_but_not_taken() {
        let mut settings = Settings::parse(["stentor"], |_| None, |_| unreachable!());
        let settings = settings.as_mut().expect("the defaults");
        let [there, missing, taken] =
            [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut open = |address: SocketAddr| match address.port() {
            1 => Ok(()),
            2 => Err(io::Error::from(ErrorKind::AddrNotAvailable)),
            _ => Err(io::Error::from(ErrorKind::AddrInUse)),
        };
        settings.listen = vec![there, missing];
        assert_eq!(open_all(settings, &mut open).expect("one").len(), 1);
        settings.listen = vec![missing];
        assert!(open_all(settings, &mut open).is_err());
        settings.listen = vec![there, taken];
        let error = open_all(settings, &mut open).expect_err("taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        settings.listen_is_default = false;
        settings.listen = vec![there, missing];
        assert!(open_all(settings, &mut open).is_err());
    }
}
