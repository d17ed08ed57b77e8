//! Owns where a run goes to: the address, what is asked for there, and from
//! which addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use crate::error::Error;

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// What to send first; nothing if no WebSocket is spoken there.
    pub(crate) request: Option<String>,
    /// How many connections others have that come from the same addresses.
    others: usize,
}

impl Endpoint {
    /// One that speaks no WebSocket, as `stentor-bench raw` does not.
    pub(crate) fn is_raw(&self) -> bool {
        self.request.is_none()
    }

    /// Somewhere else than so many others come from.
    pub(crate) const fn after(mut self, others: usize) -> Self {
        self.others = others;
        self
    }

    /// Which address the connection of this number comes from; `None` if the
    /// system is to choose. There are some 28,000 ports to an address, often
    /// fewer, but on loopback there are many addresses.
    pub(crate) fn source(&self, index: usize) -> Option<SocketAddr> {
        let on_loopback = self.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
        let block = (self.others + index) / PORTS_OF_ONE_ADDRESS;
        // 127.0.0.2 and on, without those that end in 0 or 255.
        let (high, low) = (block / 250, block % 250 + 2);
        let address = Ipv4Addr::new(127, 0, u8::try_from(high).ok()?, low as u8);
        on_loopback.then(|| SocketAddr::from((address, 0)))
    }
}

impl FromStr for Endpoint {
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

/// The key of the example in RFC 6455 §1.3: what it is does not matter to a measurement.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server has to make of it.
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const PORTS_OF_ONE_ADDRESS: usize = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_and_how() {
        let endpoint: Endpoint = "ws://127.0.0.1:8080/ws".parse().expect("valid");
        assert_eq!(endpoint.address, ([127, 0, 0, 1], 8080).into());
        let request = endpoint.request.expect("a request");
        assert!(request.starts_with("GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
        let endpoint: Endpoint = "ws://[::1]".parse().expect("valid");
        assert_eq!(endpoint.address.port(), 80);
        assert!(endpoint.source(0).is_none(), "not the loopback of IPv4");
        let endpoint: Endpoint = "raw://127.0.0.1:9".parse().expect("valid");
        assert!(endpoint.is_raw());
        for wrong in ["127.0.0.1:80", "http://127.0.0.1/", "ws://", "ws://a b/"] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_address_gives_more_ports_than_it_has() {
        let endpoint: Endpoint = "raw://127.0.0.1:9".parse().expect("valid");
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
