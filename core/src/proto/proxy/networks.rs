//! Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), and the proxies that are trusted to say
//! who their client is.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

/// A network such as `10.0.0.0/8` or `2001:db8::/32`, or one address. An IPv4 address is the same
/// as the IPv6 address that is mapped to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    bits: u128,
    mask: u128,
}

impl Network {
    /// Returns whether an address belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        mapped(address) & self.mask == self.bits
    }
}

/// Returns an address as a number, an IPv4 address as the one mapped to it.
pub(crate) fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .to_bits()
}

/// A text that is not a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotANetwork;

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address or a network")
    }
}

impl core::error::Error for NotANetwork {}

/// Parses an address, or an address and a length of its prefix. Bits behind the prefix are zero:
/// another network is probably meant if they are not.
impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let len = match len {
            None => width,
            Some(len) if len.bytes().all(|byte| byte.is_ascii_digit()) => {
                len.parse().map_err(|_| NotANetwork)?
            }
            Some(_) => return Err(NotANetwork),
        };
        let behind: u32 = u32::checked_sub(width, len).ok_or(NotANetwork)?;
        let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
        let bits = mapped(address);
        match bits & mask == bits {
            true => Ok(Self { bits, mask }),
            false => Err(NotANetwork),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.bits);
        let len = self.mask.leading_ones();
        match address.to_ipv4_mapped() {
            Some(address) if len >= 96 => write!(f, "{address}/{}", len - 96),
            _ => write!(f, "{address}/{len}"),
        }
    }
}

/// The field in which proxies say for whom they forward a request. It is one, because a proxy that
/// writes one of them usually passes the other on as the client has sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ForwardedField {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// None: forwarded requests count as those of the proxy.
    None,
}

/// The proxies that are trusted, and what they are trusted to say. Without any, nobody is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Proxies {
    /// The networks of the proxies.
    pub networks: Vec<Network>,
    /// Whether peers without an address, those on unix sockets, are proxies.
    pub unix: bool,
    /// The field in which proxies say for whom they forward a request.
    pub field: ForwardedField,
}

impl Proxies {
    /// Returns whether a peer is trusted.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(peer) => self.networks.iter().any(|network| network.contains(peer)),
            None => self.unix,
        }
    }
}
