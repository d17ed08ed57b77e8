//! Endpoint to listen on: an address, a name or a port, and the addresses that it stands for.

use core::fmt;
use core::net::SocketAddr;

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

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let is_any = a.ip().is_unspecified() || b.ip().is_unspecified();
    let is_same = a.ip() == b.ip() || is_any && a.is_ipv4() == b.is_ipv4();
    a.port() != 0 && a.port() == b.port() && is_same
}
