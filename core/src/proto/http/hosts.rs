//! Host names under which a server may be addressed.
//!
//! A page whose name resolves to this machine (DNS rebinding) has the same origin as its `Host`, so
//! the browser lets it read the responses. Only the name shows that the page is foreign.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::proto::http::authority::Authority;

/// The allowed values of `Host`, as a protection against DNS rebinding: a page under a foreign name
/// that resolves to this machine would have the server's own origin. A request without `Host`
/// (HTTP/1.0), to an IP address, to `localhost` or to a name below it is always allowed.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Whether every host is allowed, as is necessary for a server that does not know all its
    /// names.
    pub any: bool,
    /// Further allowed hosts.
    pub allowed: Vec<HostPattern>,
}

impl Hosts {
    /// Returns whether a request to this host is answered. A browser always sends a host; an IP
    /// address or a loopback name cannot be rebound.
    pub(crate) fn allows(&self, host: Option<Authority<'_>>) -> bool {
        self.any
            || host.is_none_or(|host| {
                host.is_address()
                    || host.is_loopback()
                    || self.allowed.iter().any(|pattern| pattern.matches(&host))
            })
    }
}

/// An allowed host: `host` with any port, `host:port`, or `*.host` for every name below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPattern {
    /// In lower case.
    host: String,
    port: Option<u16>,
    /// Whether it matches names below the host instead of the host.
    is_suffix: bool,
}

impl HostPattern {
    fn matches(&self, host: &Authority<'_>) -> bool {
        let port_matches = self.port.is_none_or(|port| match host.port() {
            Some(other) => other == port,
            // Only a proxy knows which of the two a request without a port means.
            None => port == 80 || port == 443,
        });
        port_matches
            && if self.is_suffix {
                let end = host.host().len().checked_sub(self.host.len());
                end.and_then(|end| host.host().split_at_checked(end))
                    .is_some_and(|(above, below)| {
                        below.eq_ignore_ascii_case(&self.host)
                            && above.len() > 1
                            && above.ends_with('.')
                    })
            } else {
                host.has_host(&self.host)
            }
    }
}

impl FromStr for HostPattern {
    type Err = NotAHostPattern;

    fn from_str(text: &str) -> Result<Self, NotAHostPattern> {
        let (rest, is_suffix) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let authority = Authority::parse(rest.as_bytes()).ok_or(NotAHostPattern)?;
        let host = authority.host();
        if host.contains('*') || is_suffix && authority.is_address() {
            return Err(NotAHostPattern);
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port: authority.port(),
            is_suffix,
        })
    }
}

/// The error of a text that is not a [`HostPattern`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NotAHostPattern;

impl fmt::Display for NotAHostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a host: host, host:port or *.host")
    }
}

impl core::error::Error for NotAHostPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(patterns: &[&str], host: &str) -> bool {
        let hosts = Hosts {
            any: false,
            allowed: patterns
                .iter()
                .map(|pattern| pattern.parse().expect("a pattern"))
                .collect(),
        };
        hosts.allows(Some(Authority::parse(host.as_bytes()).expect("a host")))
    }

    #[test]
    fn addresses_and_loopback_names_are_always_allowed() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "chat.localhost",
            "127.0.0.1:8080",
            "10.1.2.3",
            "[::1]:8080",
            "[2001:db8::1]",
        ] {
            assert!(is_allowed(&[], host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.0.0.1.:80",
            "2130706433",
            "notlocalhost",
            "a",
        ] {
            assert!(!is_allowed(&[], host), "{host}");
            let any = Hosts {
                any: true,
                allowed: alloc::vec![],
            };
            assert!(any.allows(Authority::parse(host.as_bytes())), "{host}");
        }
        assert!(Hosts::default().allows(None), "no browser leaves it out");
    }

    #[test]
    fn a_pattern_without_a_port_matches_any_port() {
        for host in ["chat.example", "Chat.Example:8080", "chat.example:80"] {
            assert!(is_allowed(&["CHAT.example"], host), "{host}");
        }
        for host in ["a.chat.example", "chat.example.evil", "xchat.example"] {
            assert!(!is_allowed(&["chat.example"], host), "{host}");
        }
        assert!(is_allowed(&["a", "chat.example:8443"], "chat.example:8443"));
        assert!(!is_allowed(&["chat.example:8443"], "chat.example:8080"));
        assert!(!is_allowed(&["chat.example:8443"], "chat.example"));
        assert!(is_allowed(&["chat.example:443"], "chat.example"));
        assert!(is_allowed(&["chat.example:80"], "chat.example"));
        assert!(!is_allowed(&["chat.example:80"], "chat.example:443"));
    }

    #[test]
    fn a_wildcard_matches_names_below_the_host_only() {
        for host in ["a.example.org", "b.A.example.ORG:99"] {
            assert!(is_allowed(&["*.Example.org"], host), "{host}");
        }
        for host in ["example.org", "xexample.org", ".example.org", "org"] {
            assert!(!is_allowed(&["*.example.org"], host), "{host}");
        }
        assert!(is_allowed(&["*.example.org:8"], "a.example.org:8"));
        assert!(!is_allowed(&["*.example.org:8"], "a.example.org:9"));
    }

    #[test]
    fn an_invalid_host_pattern_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "a.*",
            "*a",
            "*.*.a",
            "*.127.0.0.1",
            "*.[::1]",
            "http://a",
            "a/",
            "a b",
            "u@a",
            ":80",
            "a:x",
            "::1",
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(NotAHostPattern), "{text}");
        }
    }
}
