//! Address of a peer in as few bytes as possible, since there is one for each connection.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An IP address and a port, or nothing. An IPv4 address is kept as the IPv6 address that is mapped
/// to it; scope and flow label of an IPv6 address are not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PeerAddr {
    ip: [u8; 16],
    port: u16,
}

impl PeerAddr {
    pub(crate) const NONE: Self = Self {
        ip: [0; 16],
        port: 0,
    };

    pub(crate) fn new(peer: SocketAddr) -> Self {
        let ip = match peer.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self {
            ip: ip.octets(),
            port: peer.port(),
        }
    }

    pub(crate) fn get(self) -> Option<SocketAddr> {
        let ip = Ipv6Addr::from(self.ip).to_canonical();
        (self != Self::NONE).then(|| SocketAddr::new(ip, self.port))
    }
}

/// From where a request has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RequestOrigin {
    /// The client, as far as it is known.
    pub(crate) peer: PeerAddr,
    /// Whether a trusted proxy has sent it.
    pub(crate) is_trusted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_and_a_mapped_one_is_told_as_ipv4() {
        for text in ["1.2.3.4:5", "[2001:db8::1]:65535", "[::1]:80", "0.0.0.0:1"] {
            let peer: SocketAddr = text.parse().expect("an address");
            assert_eq!(PeerAddr::new(peer).get(), Some(peer));
        }
        let mapped = "[::ffff:10.0.0.1]:9".parse().expect("an address");
        let told = PeerAddr::new(mapped).get();
        assert_eq!(told, "10.0.0.1:9".parse().ok());
        assert_eq!(PeerAddr::NONE.get(), None);
    }
}
