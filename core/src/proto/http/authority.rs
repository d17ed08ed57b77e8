//! Owns the form `host[:port]` that the Host field, an absolute request target
//! and an origin share (RFC 3986 §3.2.2, RFC 9110 §7.2). Resolves no names.

use core::net::{Ipv4Addr, Ipv6Addr};

/// A host with an optional port, checked against the grammar. No user part:
/// where an `@` is a host's name ends elsewhere than a reader thinks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// The authority that these bytes are, if they are one. An empty port is
    /// none, an empty host is a fault.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?;
        let end = if text.starts_with('[') {
            text.find(']')? + 1
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (host, rest) = text.split_at(end);
        let valid = if host.starts_with('[') {
            ipv6(host).is_some()
        } else {
            is_reg_name(host)
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        valid.then_some(Self { host, port })
    }

    /// The host as it was written; an IPv6 address in its brackets.
    pub(crate) const fn host(&self) -> &'a str {
        self.host
    }

    /// The port, if one is named.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether both name one host and port, where `default` stands for a port that is not named.
    pub(crate) fn matches(&self, other: &Self, default: Option<u16>) -> bool {
        self.has_host(other.host) && self.port.or(default) == other.port.or(default)
    }

    /// Whether this is its host. One IPv6 address can be written in many ways.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
            || ipv6(self.host).is_some_and(|address| ipv6(host) == Some(address))
    }

    /// Whether the host is an address, and so no name that somebody could resolve otherwise.
    pub(crate) fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }

    /// Whether the host can only be this machine: `localhost` and what is below
    /// it (RFC 6761 §6.3), 127.0.0.0/8 as a full dotted quad, `[::1]`.
    pub(crate) fn is_loopback(&self) -> bool {
        if self.host.starts_with('[') {
            return ipv6(self.host).is_some_and(|address| address.is_loopback());
        }
        if let Ok(address) = self.host.parse::<Ipv4Addr>() {
            return address.is_loopback();
        }
        let start = self.host.len().saturating_sub(LOCALHOST.len());
        let Some((above, last)) = self.host.split_at_checked(start) else {
            return false;
        };
        let below_a_label = above
            .strip_suffix('.')
            .is_some_and(|labels| labels.split('.').all(|l| !l.is_empty()));
        last.eq_ignore_ascii_case(LOCALHOST) && (above.is_empty() || below_a_label)
    }
}

/// The IPv6 address in these brackets.
fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Whether it is a registered name or an IPv4 address: unreserved characters,
/// sub-delimiters and percent-encoded bytes, at least one.
fn is_reg_name(host: &str) -> bool {
    !host.is_empty() && is_written_of(host, b"")
}

/// Whether it is written of what may stand for itself in any part of a URI, bytes
/// that are percent-encoded, and these (RFC 3986 §2, §3.3).
pub(crate) fn is_written_of(part: &str, others: &[u8]) -> bool {
    let mut rest = part.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                tail
            }
            _ if byte.is_ascii_alphanumeric()
                || b"-._~!$&'()*+,;=".contains(&byte)
                || others.contains(&byte) =>
            {
                tail
            }
            _ => return false,
        };
    }
    true
}

const LOCALHOST: &str = "localhost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_hosts_and_ports_and_nothing_else() {
        for good in [
            "a",
            "a:80",
            "a:",
            "A.b-c:65535",
            "127.0.0.1:1",
            "[::1]",
            "[2001:db8::1]:443",
            "%41",
            "a_b",
        ] {
            assert!(Authority::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            ":",
            ":80",
            "a:65536",
            "a:+80",
            "a:8 0",
            "a b",
            "a/b",
            "u@a",
            "u:p@a",
            "a:80:80",
            "[::1",
            "[::1]x",
            "::1",
            "[::1%25lo]",
            "[]",
            "[v1.a]",
            "a,b c",
            "a?b",
            "a#b",
            "a\\b",
            "%4",
            "%zz",
            "\u{e9}",
            "a:80 ",
        ] {
            assert!(Authority::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Authority::parse(b"\xFF").is_none());
    }

    #[test]
    fn a_port_left_out_is_the_default() {
        let matches = |a: &'static str, b: &'static str, default| {
            let (a, b) = (
                Authority::parse(a.as_bytes()),
                Authority::parse(b.as_bytes()),
            );
            a.expect("valid").matches(&b.expect("valid"), default)
        };
        assert!(matches("A.example", "a.EXAMPLE:80", Some(80)));
        assert!(matches("a:", "a", None));
        assert!(!matches("a", "a:80", Some(443)));
        assert!(!matches("a", "a:80", None));
        assert!(!matches("a", "b", Some(80)));
        assert!(matches("[::1]", "[0:0::1]:80", Some(80)));
        assert!(!matches("[::1]", "[::2]", None));
    }

    #[test]
    fn loopback_is_only_what_cannot_be_elsewhere() {
        let loopback = |host: &'static str| {
            Authority::parse(host.as_bytes())
                .expect("valid")
                .is_loopback()
        };
        for yes in [
            "localhost",
            "LocalHost:3000",
            "a.localhost",
            "a.b.localhost",
            "127.0.0.1",
            "127.255.255.254",
            "[::1]:8",
        ] {
            assert!(loopback(yes), "{yes}");
        }
        for no in [
            "localhost.evil.com",
            "127.0.0.1.evil.com",
            "127.1",
            "127.0.0.01",
            "2130706433",
            "0x7f.0.0.1",
            "128.0.0.1",
            "evil-localhost",
            "xlocalhost",
            ".localhost",
            "a..localhost",
            "localhost.",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "localhos",
            "l",
        ] {
            assert!(!loopback(no), "{no}");
        }
    }
}
