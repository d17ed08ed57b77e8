//! Parser of the header of the PROXY protocol, versions 1 and 2 (HAProxy,
//! `doc/proxy-protocol.txt`).
//!
//! A line of version 1 is judged when it is whole. Does not decide who may send a header.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::{self, FromStr};

use crate::proto::proxy::error::ProxyError;

/// What a header says about the connection behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// The address of the client. `None` if the connection is the proxy's own, such as a health
    /// check (`LOCAL`), or the proxy does not know the address or it is none of IP.
    pub client: Option<SocketAddr>,
}

/// The longest header of version 1 in bytes, with its line break.
pub const V1_MAX: usize = 107;

const V1_BEGIN: &[u8] = b"PROXY ";
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Length of the fixed part of a header of version 2.
const V2_FIXED: usize = 16;

impl ProxyHeader {
    /// Parses the header at the start of `input` and returns it with its length in bytes; `None` if
    /// it is incomplete. Call it again with all bytes received so far when more arrive. The result
    /// does not depend on how the bytes are split. Of version 2, a header is at most `max` bytes
    /// long; its TLVs are skipped.
    ///
    /// # Errors
    /// [`Missing`](ProxyError::Missing), [`Malformed`](ProxyError::Malformed) and
    /// [`TooLong`](ProxyError::TooLong).
    pub fn parse(input: &[u8], max: usize) -> Result<Option<(Self, usize)>, ProxyError> {
        match (has_begin(input, V1_BEGIN), has_begin(input, V2_BEGIN)) {
            (Some(true), _) => v1(input),
            (_, Some(true)) => v2(input, max),
            (None, _) | (_, None) => Ok(None),
            _ => Err(ProxyError::Missing),
        }
    }
}

/// Returns whether the input begins so; `None` if it is too short to tell.
fn has_begin(input: &[u8], begin: &[u8]) -> Option<bool> {
    let len = input.len().min(begin.len());
    match input[..len] == begin[..len] {
        true if len < begin.len() => None,
        is_same => Some(is_same),
    }
}

/// Parses a line: `PROXY TCP4 192.0.2.7 192.0.2.1 50412 443` and CRLF.
fn v1(input: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    let within = &input[..input.len().min(V1_MAX)];
    let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
        // A carriage return stands nowhere but before the line feed.
        let early = within.iter().position(|&byte| byte == b'\r');
        return match early {
            Some(at) if at + 1 < within.len() => Err(ProxyError::Malformed),
            _ if within.len() == V1_MAX => Err(ProxyError::TooLong),
            _ => Ok(None),
        };
    };
    let line = within[V1_BEGIN.len()..end].strip_suffix(b"\r");
    let line = line.filter(|line| !line.contains(&b'\r'));
    let line = str::from_utf8(line.ok_or(ProxyError::Malformed)?);
    let line = line.map_err(|_| ProxyError::Malformed)?;
    let client = match line.split_once(' ').unwrap_or((line, "")) {
        // What follows is not to be looked at.
        ("UNKNOWN", _) => None,
        ("TCP4", rest) => Some(addresses::<Ipv4Addr>(rest)?),
        ("TCP6", rest) => Some(addresses::<Ipv6Addr>(rest)?),
        _ => return Err(ProxyError::Malformed),
    };
    Ok(Some((ProxyHeader { client }, end + 1)))
}

/// Parses two addresses and two ports, and returns the first of each.
fn addresses<A: FromStr + Into<IpAddr>>(text: &str) -> Result<SocketAddr, ProxyError> {
    let mut words = text.split(' ');
    let (mut address, mut ports) = (None, None);
    for _ in 0..2 {
        let word: Option<A> = words.next().and_then(|word| word.parse().ok());
        let word = word.ok_or(ProxyError::Malformed)?;
        address.get_or_insert(word.into());
    }
    for _ in 0..2 {
        let number = words.next().and_then(port).ok_or(ProxyError::Malformed)?;
        ports.get_or_insert(number);
    }
    match (address, ports, words.next()) {
        (Some(address), Some(port), None) => Ok(SocketAddr::new(address, port)),
        _ => Err(ProxyError::Malformed),
    }
}

/// Parses a port without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// Parses the binary form: signature, version and command, family, length, addresses, TLVs.
fn v2(input: &[u8], max: usize) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    let at = |place: usize| input.get(V2_BEGIN.len() + place).copied();
    let Some(command) = at(0) else {
        return Ok(None);
    };
    if !matches!(command, 0x20 | 0x21) {
        return Err(ProxyError::Malformed);
    }
    let Some(family) = at(1) else {
        return Ok(None);
    };
    // Of a stream: unspecified, IPv4, IPv6, unix.
    let is_local = command == 0x20;
    let addresses = match family {
        // Whatever a proxy says about its own connection.
        _ if is_local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err(ProxyError::Malformed),
    };
    let (Some(high), Some(low)) = (at(2), at(3)) else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len < addresses {
        return Err(ProxyError::Malformed);
    }
    let whole = V2_FIXED + len;
    if whole > max {
        return Err(ProxyError::TooLong);
    }
    let Some(rest) = input.get(V2_FIXED..whole) else {
        return Ok(None);
    };
    let client = match family {
        _ if is_local => None,
        0x11 => split::<4>(rest, 4).map(|(ip, port)| (Ipv4Addr::from(ip).into(), port)),
        0x21 => split::<16>(rest, 16).map(|(ip, port)| (Ipv6Addr::from(ip).into(), port)),
        _ => None,
    };
    let client = client.map(|(ip, port): (IpAddr, u16)| SocketAddr::new(ip, port));
    Ok(Some((ProxyHeader { client }, whole)))
}

/// Returns the first address, and the port behind both.
fn split<const N: usize>(bytes: &[u8], len: usize) -> Option<([u8; N], u16)> {
    let ip = bytes.get(..len)?.try_into().ok()?;
    let port = bytes.get(2 * len..2 * len + 2)?.try_into().ok()?;
    Some((ip, u16::from_be_bytes(port)))
}
