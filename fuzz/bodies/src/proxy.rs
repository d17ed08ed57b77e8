//! Fuzzes the header of the PROXY protocol: the same result however the bytes are cut, nothing decided
//! by what follows the header, and the address that a naive reader of the whole header finds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use stentor_core::proto::proxy::{ProxyError, ProxyHeader, V1_MAX};

/// A small limit, so that inputs reach it.
const MAX: usize = 300;

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

type Parsed = Result<Option<(Option<SocketAddr>, usize)>, ProxyError>;

fn parse(data: &[u8]) -> Parsed {
    let parsed = ProxyHeader::parse(data, MAX)?;
    Ok(parsed.map(|(header, len)| (header.client, len)))
}

/// Any bytes as the begin of a connection.
///
/// # Panics
/// If the result depends on how the bytes are cut or on what follows the header, or the address is not
/// the one in the header.
pub fn proxy(data: &[u8]) {
    let whole = parse(data);
    // Byte by byte, as a shard does it: the first result that is one stands.
    let first = (0..=data.len()).map(|end| (end, parse(&data[..end])));
    let first = first
        .into_iter()
        .find(|(_, parsed)| *parsed != Ok(None))
        .unwrap_or((data.len(), Ok(None)));
    match whole {
        Ok(Some((_, len))) => {
            assert_eq!(first, (len, whole), "no sooner and no later");
            assert!(len <= MAX.max(V1_MAX));
        }
        Ok(None) => assert_eq!(first.1, whole),
        Err(_) => assert_eq!(first.1, whole, "the first error is the last"),
    }
    let header = match whole {
        Ok(Some((client, len))) => {
            assert_eq!(client, naive(&data[..len]), "{data:?}");
            &data[..len]
        }
        Err(ProxyError::Missing) => {
            let begins = |begin: &[u8]| data.starts_with(&begin[..data.len().min(begin.len())]);
            assert!(!begins(b"PROXY ") && !begins(V2));
            return;
        }
        _ => return,
    };
    // What follows is not looked at.
    for rest in [&b"\r\n"[..], b"PROXY ", b"\0"] {
        assert_eq!(parse(&[header, rest].concat()), whole);
    }
}

/// Reads a header that is known to be one.
fn naive(header: &[u8]) -> Option<SocketAddr> {
    if let Some(rest) = header.strip_prefix(V2) {
        assert_eq!(rest[0] >> 4, 2);
        assert_eq!(
            header.len() - 16,
            usize::from(rest[2]) << 8 | usize::from(rest[3])
        );
        let addresses = &rest[4..];
        let port = |at: usize| u16::from(addresses[at]) << 8 | u16::from(addresses[at + 1]);
        return match (rest[0] & 0xF, rest[1]) {
            (0, _) => None,
            (_, 0x11) => {
                let [a, b, c, d] = addresses[..4].try_into().expect("four bytes");
                Some((Ipv4Addr::new(a, b, c, d), port(8)).into())
            }
            (_, 0x21) => {
                let ip: [u8; 16] = addresses[..16].try_into().expect("16 bytes");
                Some((Ipv6Addr::from(ip), port(32)).into())
            }
            _ => None,
        };
    }
    let text = std::str::from_utf8(header).expect("a line of text");
    let words: Vec<&str> = text.trim_end_matches("\r\n").split(' ').collect();
    assert_eq!(words[0], "PROXY");
    if words[1] == "UNKNOWN" {
        return None;
    }
    assert_eq!(words.len(), 6);
    let ip: IpAddr = words[2].parse().expect("an address");
    let to: IpAddr = words[3].parse().expect("an address");
    assert_eq!(
        (ip.is_ipv4(), to.is_ipv4()),
        (words[1] == "TCP4", words[1] == "TCP4")
    );
    let port: u16 = words[4].parse().expect("a port");
    assert_eq!(port.to_string(), words[4]);
    Some((ip, port).into())
}
