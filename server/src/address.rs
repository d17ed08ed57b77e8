//! Addresses to listen on, as text: an address, a name with a port, or a port.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::net::ToSocketAddrs;

/// Why a text is not an endpoint.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Its form is wrong.
    Form,
    /// Its name cannot be resolved.
    Name(io::Error),
}

/// Parses `address:port`; `name:port`, which stands for all addresses of the name; and `:port` or
/// `port`, which stand for all interfaces in both families. `localhost` is loopback without a lookup
/// (RFC 6761 §6.3).
pub(crate) fn addresses(text: &str) -> Result<Vec<SocketAddr>, Problem> {
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

pub(crate) const ADDRESSES: &str = "an address or a name with a port, like 127.0.0.1:8080, [::1]:0 or localhost:8080, \
     a port alone, like 8080 or :8080, for all interfaces, unix:PATH, or systemd or systemd:NAME \
     for sockets that the service manager has opened";
/// What the path of a unix socket begins with.
pub(crate) const UNIX: &str = "unix:";

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
