//! Opening of listeners: required addresses, socket options, ports chosen by the system.
//!
//! Accepting is the adapter's.

#[cfg(feature = "program")]
mod inherited;
mod listener;
mod unix;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use stentor_core::Config;
use tracing::{info, warn};

pub use listener::{Listener, StreamMode};

use crate::address::{self, Problem};

/// Where to listen, and what the connections of these listeners begin with.
#[derive(Debug)]
pub(crate) struct ListenAt {
    pub(crate) place: Place,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub(crate) has_proxy_header: bool,
}

/// An address or a listener.
#[derive(Debug)]
pub(crate) enum Place {
    /// An address as text, which is parsed when it is opened.
    Text(String),
    /// The addresses of one name, and what errors call them.
    #[cfg(feature = "program")]
    Addresses(String, Vec<SocketAddr>),
    /// A unix socket, what errors call it, and the mode of its file.
    #[cfg(feature = "program")]
    Unix(String, std::path::PathBuf, u32),
    /// Sockets that the service manager has opened, those of this name if there is one, and what
    /// errors call them.
    #[cfg(feature = "program")]
    Inherited(String, Option<String>),
    /// A listener that is open.
    Listener(TcpListener),
}

impl From<Place> for ListenAt {
    fn from(place: Place) -> Self {
        Self {
            place,
            has_proxy_header: false,
        }
    }
}

/// Opens all addresses; accepting from the listeners does not block.
///
/// Of several addresses of one name some may be unavailable, such as IPv6 on a machine without it.
/// An address in use is an error, since the other process would get some of the clients.
///
/// # Errors
/// Returns the error of the operating system with the address and its name.
pub(crate) fn open(listen: Vec<ListenAt>, config: &Config) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for at in listen {
        let before = listeners.len();
        match at.place {
            Place::Text(text) => match text.strip_prefix(address::UNIX) {
                Some(path) => listeners.push(unix::open(&text, path.as_ref(), DEFAULT_MODE)?),
                None => listeners.extend(open_text(&text, config)?),
            },
            #[cfg(feature = "program")]
            Place::Addresses(name, addresses) => {
                let open = |address| open_one(address, config);
                let opened = open_named(&name, &addresses, open)?;
                listeners.extend(opened.into_iter().map(Listener::tcp));
            }
            #[cfg(feature = "program")]
            Place::Unix(name, path, mode) => listeners.push(unix::open(&name, &path, mode)?),
            #[cfg(feature = "program")]
            Place::Inherited(name, only) => {
                let inherited = inherited::take(only.as_deref());
                for listener in inherited.map_err(|error| with_name(&name, &error))? {
                    set_options(&SockRef::from(&listener), config)?;
                    listeners.push(listener);
                }
            }
            Place::Listener(listener) => {
                set_options(&SockRef::from(&listener), config)?;
                listeners.push(Listener::tcp(listener));
            }
        }
        for listener in &mut listeners[before..] {
            listener.has_proxy_header = at.has_proxy_header;
        }
    }
    Ok(listeners)
}

fn open_text(text: &str, config: &Config) -> io::Result<Vec<Listener>> {
    let addresses = address::addresses(text).map_err(|problem| match problem {
        Problem::Form => {
            let expected = format!("`{text}` is not {}", address::ADDRESSES);
            io::Error::new(ErrorKind::InvalidInput, expected)
        }
        Problem::Name(error) => with_name(text, &error),
    })?;
    let opened = open_named(text, &addresses, |address| open_one(address, config))?;
    Ok(opened.into_iter().map(Listener::tcp).collect())
}

/// Logs a warning if other machines can reach one of these listeners of admin pages.
#[cfg(feature = "program")]
pub(crate) fn warn_of_admin(listeners: &[Listener]) {
    for address in addresses(listeners) {
        if !address.ip().to_canonical().is_loopback() {
            warn!(%address, "admin pages are open to other machines");
        }
    }
}

/// Returns the addresses of listeners, of those that have one of IP.
pub(crate) fn addresses(listeners: &[Listener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(Listener::address).collect()
}

/// Logs the addresses of listeners.
pub(crate) fn announce(listeners: &[Listener]) {
    for address in listeners {
        info!(%address, "listening on");
    }
}

/// The part of a listener that opening several of them needs.
trait HasPort {
    fn port(&self) -> io::Result<u16>;
}

impl HasPort for TcpListener {
    fn port(&self) -> io::Result<u16> {
        Ok(self.local_addr()?.port())
    }
}

fn open_named<L: HasPort>(
    name: &str,
    addresses: &[SocketAddr],
    open: impl FnMut(SocketAddr) -> io::Result<L>,
) -> io::Result<Vec<L>> {
    open_addresses(addresses, open).map_err(|error| with_name(name, &error))
}

fn with_name(name: &str, error: &io::Error) -> io::Error {
    let text = format!("{name} cannot be listened on: {error}");
    io::Error::new(error.kind(), text)
}

/// Opens the addresses of a name, all with the same port if the system chooses it.
fn open_addresses<L: HasPort>(
    addresses: &[SocketAddr],
    mut open: impl FnMut(SocketAddr) -> io::Result<L>,
) -> io::Result<Vec<L>> {
    let mut tries = PORTS;
    'ports: loop {
        let (mut listeners, mut failure) = (Vec::<L>::new(), None);
        for &(mut address) in addresses {
            let chosen = match listeners.first() {
                Some(first) if address.port() == 0 => Some(first.port()?),
                _ => None,
            };
            address.set_port(chosen.unwrap_or(address.port()));
            match open(address) {
                Ok(listener) => listeners.push(listener),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    tries -= 1;
                    if chosen.is_some() && tries > 0 {
                        continue 'ports;
                    }
                    return Err(with_address(address, error));
                }
                Err(error) => failure = Some((address, error)),
            }
        }
        match failure {
            Some((address, error)) if listeners.is_empty() => {
                return Err(with_address(address, error));
            }
            Some((address, error)) => warn!(%address, %error, "not listening"),
            None => {}
        }
        return Ok(listeners);
    }
}

fn with_address(address: SocketAddr, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}

fn open_one(address: SocketAddr, config: &Config) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // The IPv4 addresses are listed separately.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    set_options(&SockRef::from(&socket), config)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn set_options(socket: &SockRef<'_>, config: &Config) -> io::Result<()> {
    // A peer that has gone before it is accepted must not block the others.
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit these options, without further calls. The core batches frames, so
    // the kernel does not have to.
    #[cfg(target_os = "linux")]
    if socket.domain()? != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_notsent_lowat(config.unsent_bytes() as u32)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = config;
    Ok(())
}

/// Mode of the file of a unix socket: its user and its group may connect.
pub(crate) const DEFAULT_MODE: u32 = 0o660;
const BACKLOG: i32 = 4_096;
/// Number of ports chosen by the system that are tried until one is free in both families.
const PORTS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn an_accepted_socket_inherits_the_options() {
        let config = Config::builder().unsent_bytes(8 << 10).build();
        let listen = vec![Place::Text("127.0.0.1:0".into()).into()];
        let listeners = open(listen, &config.expect("valid")).expect("a free port");
        let _peer = std::net::TcpStream::connect(listeners[0].address().expect("bound"));
        let accepted = loop {
            match listeners[0].accept(StreamMode::Blocking) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                accepted => break Socket::from(accepted.expect("a peer").0),
            }
        };
        assert!(accepted.tcp_nodelay().expect("a socket"));
        assert_eq!(accepted.tcp_notsent_lowat().expect("a socket"), 8 << 10);
    }

    /// A listener with this address.
    #[derive(PartialEq, Eq, Debug)]
    struct Port(SocketAddr);

    impl HasPort for Port {
        fn port(&self) -> io::Result<u16> {
            Ok(self.0.port())
        }
    }

    fn open_ports(
        listen: &str,
        open: impl FnMut(SocketAddr) -> io::Result<Port>,
    ) -> io::Result<Vec<Port>> {
        open_named(listen, &address::addresses(listen).expect("valid"), open)
    }

    #[test]
    fn of_several_addresses_one_may_be_unavailable_but_not_in_use() {
        let v6_is = |kind: Option<ErrorKind>| {
            move |address: SocketAddr| match kind {
                Some(kind) if address.is_ipv6() => Err(io::Error::from(kind)),
                _ => Ok(Port(address)),
            }
        };
        for listen in ["localhost:80", ":80", "80"] {
            let open = |kind| open_ports(listen, v6_is(kind));
            assert_eq!(open(None).expect("both").len(), 2);
            for kind in [ErrorKind::AddrNotAvailable, ErrorKind::Unsupported] {
                assert_eq!(open(Some(kind)).expect("one").len(), 1);
            }
            let error = open(Some(ErrorKind::AddrInUse)).expect_err("taken");
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            let text = error.to_string();
            assert!(
                text.starts_with(listen) && text.contains("]:80: "),
                "{text}"
            );
        }
        let alone = open_ports("[::1]:80", v6_is(Some(ErrorKind::Unsupported)));
        assert_eq!(alone.expect_err("asked for").kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_port_chosen_by_the_system_is_the_same_for_all_addresses_of_a_name() {
        let mut next = 999;
        let mut open = |mut address: SocketAddr| {
            if address.port() == 0 {
                next += 1;
                address.set_port(next);
            }
            // The first two are in use in the other family.
            match address.is_ipv6() && address.port() < 1_002 {
                true => Err(io::Error::from(ErrorKind::AddrInUse)),
                false => Ok(Port(address)),
            }
        };
        let opened = open_ports("localhost:0", &mut open).expect("a free port");
        let both = ["127.0.0.1:1002", "[::1]:1002"].map(|text| Port(text.parse().expect("valid")));
        assert_eq!(opened, both);

        let mut tried = 0;
        let opened = open_ports("localhost:0", |mut address: SocketAddr| {
            tried += 1;
            if address.is_ipv6() {
                return Err(io::Error::from(ErrorKind::AddrInUse));
            }
            address.set_port(7);
            Ok(Port(address))
        });
        assert_eq!(opened.expect_err("never").kind(), ErrorKind::AddrInUse);
        assert_eq!(tried, 2 * PORTS, "not for ever");
    }
}
