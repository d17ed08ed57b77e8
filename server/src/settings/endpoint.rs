//! Endpoint to listen on: an address, a name or a port, and the addresses that it stands for.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::net::ToSocketAddrs;

use super::error::Source;

/// One value of `--listen` or `--admin-listen`, and the addresses it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    flag: &'static str,
    text: String,
    source: Source,
    addresses: Vec<SocketAddr>,
}

impl Endpoint {
    pub(super) const fn new(
        flag: &'static str,
        text: String,
        source: Source,
        addresses: Vec<SocketAddr>,
    ) -> Self {
        Self {
            flag,
            text,
            source,
            addresses,
        }
    }

    /// Returns the addresses, at least one. Of several addresses, those that the machine has are
    /// opened, all with the same port.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns whether only this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        // An IPv4-mapped IPv6 address counts as IPv4.
        let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        self.addresses.iter().all(is_loopback)
    }

    /// Returns whether both have an address in common.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let mut pairs = self.addresses.iter().flat_map(|a| {
            let others = other.addresses.iter();
            others.map(move |b| (a, b))
        });
        pairs.any(|(a, b)| overlap(*a, *b))
    }
}

/// Formats it for an error: key, value and source.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            flag, text, source, ..
        } = self;
        write!(f, "--{flag}: `{text}` from {source}")
    }
}

/// Why a text is not an endpoint.
#[derive(Debug)]
pub(super) enum Problem {
    /// Its form is wrong.
    Form,
    /// Its name cannot be resolved.
    Name(io::Error),
}

/// Parses `address:port`; `name:port`, which stands for all addresses of the name; and `:port` or
/// `port`, which stand for all interfaces in both families. `localhost` is loopback without a lookup
/// (RFC 6761 §6.3).
pub(super) fn addresses(text: &str) -> Result<Vec<SocketAddr>, Problem> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let is_number = port.bytes().all(|b| b.is_ascii_digit());
    let port: u16 = match port.parse() {
        Ok(port) if is_number => port,
        _ => return Err(Problem::Form),
    };
    let both = |v4, v6| vec![SocketAddr::new(v4, port), SocketAddr::new(v6, port)];
    if host.is_empty() {
        let any = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
        return Ok(both(IpAddr::V4(any.0), IpAddr::V6(any.1)));
    }
    if host.eq_ignore_ascii_case("localhost") {
        let loopback = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        return Ok(both(IpAddr::V4(loopback.0), IpAddr::V6(loopback.1)));
    }
    if !is_name(host) {
        return Err(Problem::Form);
    }
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs().map_err(Problem::Name)? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(Problem::Name(io::ErrorKind::NotFound.into())),
        false => Ok(addresses),
    }
}

/// Returns whether a text is a host name whose last label is not a number: 127.1 looks like an
/// address and must not be looked up.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty() && label.bytes().all(is_of_name)
    };
    let mut labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    labels.clone().all(is_label) && labels.next_back().is_some_and(|last| !is_number(last))
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let is_any = a.ip().is_unspecified() || b.ip().is_unspecified();
    let is_same = a.ip() == b.ip() || is_any && a.is_ipv4() == b.is_ipv4();
    a.port() != 0 && a.port() == b.port() && is_same
}

pub(crate) const ADDRESSES: &str = "an address or a name with a port, like 127.0.0.1:8080, [::1]:0 or localhost:8080, \
     or a port alone, like 8080 or :8080, for all interfaces";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<String>> {
        let addresses = addresses(text).ok()?;
        Some(addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_names_and_ports_stand_for_addresses() {
        let loopback = ["127.0.0.1:8080", "[::1]:8080"];
        let every = ["0.0.0.0:8080", "[::]:8080"];
        for (text, meant) in [
            ("127.0.0.1:8080", &["127.0.0.1:8080"][..]),
            (" [::1]:0 ", &["[::1]:0"]),
            ("0.0.0.0:1", &["0.0.0.0:1"]),
            ("localhost:8080", &loopback),
            ("LocalHost:8080", &loopback),
            (":8080", &every),
            ("8080", &every),
            ("65535", &["0.0.0.0:65535", "[::]:65535"]),
            (":0", &["0.0.0.0:0", "[::]:0"]),
        ] {
            assert_eq!(
                read(text).as_deref(),
                Some(&meant.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            ":",
            "localhost",
            "localhost:",
            "localhost:http",
            "localhost:+1",
            "127.0.0.1",
            "127.1:80",
            "256.0.0.1:80",
            "::1:80",
            "[::1]",
            "[::1:80",
            "[localhost]:80",
            "65536",
            ":65536",
            "-1",
            "+1",
            "80 80",
            "http://localhost:80",
            "a b:80",
            "a..b:80",
            ".:80",
        ] {
            assert!(matches!(addresses(text), Err(Problem::Form)), "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        // A label of 64 bytes: no resolver sends a query for it (RFC 1035 §2.3.4).
        let problem = addresses(&format!("{}:80", "a".repeat(64)));
        assert!(matches!(problem, Err(Problem::Name(_))), "{problem:?}");
    }
}
