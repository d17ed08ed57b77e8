//! The form `host[:port]` of the Host field, an absolute request target and an origin (RFC 3986
//! §3.2.2, RFC 9110 §7.2).
//!
//! Resolves no names.

use core::net::{Ipv4Addr, Ipv6Addr};

/// A host with an optional port that conforms to the grammar. A user part is not allowed: with an
/// `@`, the host ends elsewhere than a reader expects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses an authority. An empty port counts as no port; an empty host is an error.
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

    /// Returns the host as it was written; an IPv6 address in its brackets.
    pub(crate) const fn host(&self) -> &'a str {
        self.host
    }

    /// Returns the port, if there is one.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns whether both have the same host and port, where `default` replaces an absent port.
    pub(crate) fn matches(&self, other: &Self, default: Option<u16>) -> bool {
        self.has_host(other.host) && self.port.or(default) == other.port.or(default)
    }

    /// Returns whether this is the host. An IPv6 address has several spellings.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
            || ipv6(self.host).is_some_and(|address| ipv6(host) == Some(address))
    }

    /// Returns whether the host is an IP address, which no resolver can redirect.
    pub(crate) fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }

    /// Returns whether the host can only be this machine: `localhost` and names below it (RFC 6761
    /// §6.3), 127.0.0.0/8 as a full dotted quad, `[::1]`.
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

/// Parses an IPv6 address in brackets.
fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Returns whether it is a registered name or an IPv4 address: at least one unreserved character,
/// sub-delimiter or percent-encoded byte.
fn is_reg_name(host: &str) -> bool {
    !host.is_empty() && consists_of(host, b"")
}

/// Returns whether a part of a URI consists of unreserved characters, sub-delimiters,
/// percent-encoded bytes and these others (RFC 3986 §2, §3.3).
pub(crate) fn consists_of(part: &str, others: &[u8]) -> bool {
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
    fn parses_hosts_with_optional_ports_only() {
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
    fn an_absent_port_is_the_default_port() {
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
    fn only_localhost_names_and_loopback_addresses_are_loopback() {
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
