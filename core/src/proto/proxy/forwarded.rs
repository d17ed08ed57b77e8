//! For whom a proxy forwards a request: the fields `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Whoever sends a request can fill the fields in advance; what a proxy adds stands at the end. So
//! they are read from the end, up to the first address that is not a trusted proxy's.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str;

use smallvec::SmallVec;

use crate::proto::http::{Request, is_token_byte};
use crate::proto::proxy::networks::{ForwardedField, Proxies};

/// A field of a trusted proxy that does not conform to its grammar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotForwarded;

impl fmt::Display for NotForwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a list of forwarded elements")
    }
}

impl core::error::Error for NotForwarded {}

/// The addresses of a request, the client's first; `None` for one that is not known.
type Hops = SmallVec<[Option<SocketAddr>; 4]>;

/// Returns the address of the client of a request that a trusted proxy has sent: the last one that
/// is not a trusted proxy's. `None` if the request is the proxy's own, or the proxy does not say an
/// address.
///
/// # Errors
/// If the field does not conform to its grammar: what the client has filled in would hide what the
/// proxy has added.
pub(crate) fn client_of(
    request: &Request<'_>,
    proxies: &Proxies,
) -> Result<Option<SocketAddr>, NotForwarded> {
    let mut hops = Hops::new();
    match proxies.field {
        ForwardedField::XForwardedFor => {
            hops.extend(request.list("x-forwarded-for").map(address));
        }
        ForwardedField::Forwarded => {
            for line in request.header("forwarded") {
                elements(line, &mut hops)?;
            }
        }
        ForwardedField::None => {}
    }
    let mut client = None;
    for hop in hops.into_iter().rev() {
        let Some(hop) = hop else {
            break;
        };
        client = Some(hop);
        if !proxies.trusts(Some(hop.ip())) {
            break;
        }
    }
    Ok(client)
}

/// Parses an address with or without a port.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let ip: IpAddr = bare.unwrap_or(text).parse().ok()?;
    // Brackets are for IPv6.
    (bare.is_none() || ip.is_ipv6()).then(|| SocketAddr::new(ip, 0))
}

/// Parses the elements of a field `Forwarded` and adds the address of each.
fn elements(mut rest: &[u8], hops: &mut Hops) -> Result<(), NotForwarded> {
    loop {
        let mut hop = None;
        let mut is_empty = true;
        loop {
            rest = rest.trim_ascii_start();
            if !matches!(rest.first(), None | Some(b',' | b';')) {
                let (name, value, behind) = pair(rest)?;
                is_empty = false;
                if name.eq_ignore_ascii_case(b"for") {
                    // An element says it once.
                    if hop.is_some() {
                        return Err(NotForwarded);
                    }
                    hop = Some(address(&value));
                }
                rest = behind.trim_ascii_start();
            }
            match rest.split_first() {
                Some((b';', behind)) => rest = behind,
                None | Some((b',', _)) => break,
                Some(_) => return Err(NotForwarded),
            }
        }
        if !is_empty {
            hops.push(hop.flatten());
        }
        match rest.split_first() {
            Some((_, behind)) => rest = behind,
            None => return Ok(()),
        }
    }
}

type Value = SmallVec<[u8; 64]>;

/// Parses a name, an equals sign and a value, which is a token or a quoted string.
fn pair(text: &[u8]) -> Result<(&[u8], Value, &[u8]), NotForwarded> {
    let equals = text.iter().position(|&byte| byte == b'=');
    let (name, rest) = text.split_at(equals.ok_or(NotForwarded)?);
    let rest = &rest[1..];
    if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
        return Err(NotForwarded);
    }
    let Some((b'"', quoted)) = rest.split_first() else {
        // Proxies write addresses with colons without quotes too.
        let is_of_value = |byte: u8| is_token_byte(byte) || matches!(byte, b':' | b'[' | b']');
        let len = rest.iter().position(|&byte| !is_of_value(byte));
        let (value, behind) = rest.split_at(len.unwrap_or(rest.len()));
        return match value.is_empty() {
            true => Err(NotForwarded),
            false => Ok((name, value.into(), behind)),
        };
    };
    let mut value = Value::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((name, value, &quoted[at + 1..])),
            b'\\' => value.push(*bytes.next().ok_or(NotForwarded)?.1),
            byte => value.push(byte),
        }
    }
    Err(NotForwarded)
}
