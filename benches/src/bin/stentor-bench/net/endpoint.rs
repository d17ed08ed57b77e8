//! Server endpoint: its address, the handshake request, and the source addresses to connect from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::error::Error;

/// Where and how to connect.
#[derive(Clone, Debug)]
pub(crate) struct ServerAddress {
    pub(crate) address: SocketAddr,
    /// The handshake request; `None` without WebSocket.
    pub(crate) request: Option<String>,
    /// Connections of other processes from the same source addresses.
    others: usize,
}

impl ServerAddress {
    /// Returns whether the server speaks no WebSocket, as `stentor-bench raw`.
    pub(crate) fn is_raw(&self) -> bool {
        self.request.is_none()
    }

    /// Skips the source addresses of this many connections of other processes.
    pub(crate) const fn after(mut self, others: usize) -> Self {
        self.others = others;
        self
    }

    /// Returns the source address of a connection, or `None` if the system is to choose it. An
    /// address has about 28,000 ephemeral ports, but loopback has many addresses.
    pub(crate) fn source(&self, index: usize) -> Option<SocketAddr> {
        let on_loopback = self.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
        let block = (self.others + index) / PORTS_OF_ONE_ADDRESS;
        // From 127.0.0.2 on, without addresses that end in 0 or 255.
        let (high, low) = (block / 250, block % 250 + 2);
        let address = Ipv4Addr::new(127, 0, u8::try_from(high).ok()?, low as u8);
        on_loopback.then(|| SocketAddr::from((address, 0)))
    }
}

impl FromStr for ServerAddress {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::InvalidArgument(format!(
                "{url:?} is not ws://host:port/path or raw://host:port"
            ))
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if host.is_empty() || host.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(wrong());
        }
        let request = match scheme {
            "ws" => Some(format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
            )),
            "raw" => None,
            _ => return Err(wrong()),
        };
        let with_port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let mut addresses = with_port.to_socket_addrs().map_err(Error::system(host))?;
        let address = addresses.next().ok_or_else(wrong)?;
        Ok(Self {
            address,
            request,
            others: 0,
        })
    }
}

/// The key of the example in RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The `Sec-WebSocket-Accept` for this key.
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const PORTS_OF_ONE_ADDRESS: usize = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_address_and_protocol() {
        let endpoint: ServerAddress = "ws://127.0.0.1:8080/ws".parse().expect("valid");
        assert_eq!(endpoint.address, ([127, 0, 0, 1], 8080).into());
        let request = endpoint.request.expect("a request");
        assert!(request.starts_with("GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
        let endpoint: ServerAddress = "ws://[::1]".parse().expect("valid");
        assert_eq!(endpoint.address.port(), 80);
        assert!(endpoint.source(0).is_none(), "not the loopback of IPv4");
        let endpoint: ServerAddress = "raw://127.0.0.1:9".parse().expect("valid");
        assert!(endpoint.is_raw());
        for wrong in ["127.0.0.1:80", "http://127.0.0.1/", "ws://", "ws://a b/"] {
            assert!(wrong.parse::<ServerAddress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_address_gives_more_ports_than_it_has() {
        let endpoint: ServerAddress = "raw://127.0.0.1:9".parse().expect("valid");
        let sources: Vec<_> = (0..20_000).map(|index| endpoint.source(index)).collect();
        assert_eq!(sources[0], Some(([127, 0, 0, 2], 0).into()));
        for address in [[127, 0, 0, 2], [127, 0, 0, 3], [127, 0, 0, 4]] {
            let of = |source: &&Option<SocketAddr>| **source == Some((address, 0).into());
            assert!(sources.iter().filter(of).count() <= 8_000);
        }
        let others = endpoint.clone().after(16_000);
        assert_eq!(others.source(0), Some(([127, 0, 0, 4], 0).into()));
        let far = 250 * PORTS_OF_ONE_ADDRESS;
        assert_eq!(endpoint.source(far), Some(([127, 0, 1, 2], 0).into()));
    }
}
