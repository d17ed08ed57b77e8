//! Endpoint to listen on: an address, a name or a port and the addresses that it stands for, a unix
//! socket, or sockets of the service manager.

use core::fmt;
use core::net::SocketAddr;
use std::path::PathBuf;

use super::error::Source;
use crate::address::{self, Problem};
use crate::listen::{ListenAt, Place};

/// One value of `--listen`, `--proxy.listen` or `--admin-listen`, and the addresses it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    flag: &'static str,
    text: String,
    source: Source,
    place: EndpointPlace,
    /// Whether each connection begins with a header of the PROXY protocol.
    has_proxy_header: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum EndpointPlace {
    Addresses(Vec<SocketAddr>),
    Unix(PathBuf),
    /// Sockets of the service manager, those of this name if there is one.
    Inherited(Option<String>),
}

impl EndpointPlace {
    /// Parses a value.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix(address::UNIX) {
            let is_path = (1..=MAX_PATH).contains(&path.len());
            return match is_path {
                true => Ok(Self::Unix(path.into())),
                false => Err(Problem::Form),
            };
        }
        match text.strip_prefix("systemd") {
            Some("") => Ok(Self::Inherited(None)),
            Some(rest) => match rest.strip_prefix(':').filter(|name| !name.is_empty()) {
                Some(name) => Ok(Self::Inherited(Some(name.into()))),
                None => Err(Problem::Form),
            },
            None => address::addresses(text).map(Self::Addresses),
        }
    }
}

/// The longest path of a unix socket in bytes on every system.
const MAX_PATH: usize = 100;

impl Endpoint {
    pub(super) const fn new(
        flag: &'static str,
        text: String,
        source: Source,
        place: EndpointPlace,
        has_proxy_header: bool,
    ) -> Self {
        Self {
            flag,
            text,
            source,
            place,
            has_proxy_header,
        }
    }

    /// Returns the addresses; none of a unix socket, and of sockets of the service manager. Of several
    /// addresses, those that the machine has are opened, all with the same port.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        match &self.place {
            EndpointPlace::Addresses(addresses) => addresses,
            EndpointPlace::Unix(_) | EndpointPlace::Inherited(_) => &[],
        }
    }

    /// Returns where to listen; the file of a unix socket has this mode.
    pub(crate) fn listen_at(&self, mode: u32) -> ListenAt {
        let place = match &self.place {
            EndpointPlace::Addresses(addresses) => {
                Place::Addresses(self.to_string(), addresses.clone())
            }
            EndpointPlace::Unix(path) => Place::Unix(self.to_string(), path.clone(), mode),
            EndpointPlace::Inherited(name) => Place::Inherited(self.to_string(), name.clone()),
        };
        ListenAt {
            has_proxy_header: self.has_proxy_header,
            ..place.into()
        }
    }

    /// Returns whether only this machine can reach it. What the service manager has opened is not
    /// known yet, so that counts as open to others.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        // An IPv4-mapped IPv6 address counts as IPv4.
        let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        match &self.place {
            EndpointPlace::Addresses(addresses) => addresses.iter().all(is_loopback),
            EndpointPlace::Unix(_) => true,
            EndpointPlace::Inherited(_) => false,
        }
    }

    /// Returns whether each connection begins with a header of the PROXY protocol.
    #[must_use]
    pub const fn has_proxy_header(&self) -> bool {
        self.has_proxy_header
    }

    /// Returns whether both have an address in common.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let mut pairs = self.addresses().iter().flat_map(|a| {
            let others = other.addresses().iter();
            others.map(move |b| (a, b))
        });
        let is_same_place = self.addresses().is_empty() && self.place == other.place;
        is_same_place || pairs.any(|(a, b)| overlap(*a, *b))
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
