//! The rule of by which names a server may be addressed. A page whose name resolves
//! to this machine ("DNS rebinding") is of the same origin as its `Host`, so the
//! browser lets it read what it gets; only the name itself tells that it is foreign.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::proto::http::authority::Authority;

/// Allowed values of `Host`. They prevent DNS rebinding: a page under a foreign name that resolves to
/// this machine would have the server's own origin. A request without `Host` (HTTP/1.0), to an IP
/// address, to `localhost` or to a name below it is always allowed.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Whether every host is allowed, as it must be for a server that does not know all its names.
    pub any: bool,
    /// Further allowed hosts.
    pub allowed: Vec<HostPattern>,
}

impl Hosts {
    /// Whether a request to this host is answered. One without a host is of no
    /// browser; an address, or a name that can only be this machine, resolves to
    /// nothing else.
    pub(crate) fn admit(&self, host: Option<Authority<'_>>) -> bool {
        self.any
            || host.is_none_or(|host| {
                host.is_address()
                    || host.is_loopback()
                    || self.allowed.iter().any(|pattern| pattern.matches(&host))
            })
    }
}

/// A host that may be allowed: `host`, with any port, `host:port`, or `*.host` for
/// every name below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPattern {
    /// In lower case.
    host: String,
    port: Option<u16>,
    /// Whether names below it are meant, and not it.
    is_suffix: bool,
}

impl HostPattern {
    fn matches(&self, host: &Authority<'_>) -> bool {
        let is_port = self.port.is_none_or(|port| match host.port() {
            Some(other) => other == port,
            // Which of the two a request without a port means, a proxy knows.
            None => port == 80 || port == 443,
        });
        is_port
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

/// A text that is no [`HostPattern`].
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

    fn admits(patterns: &[&str], host: &str) -> bool {
        let hosts = Hosts {
            any: false,
            allowed: patterns
                .iter()
                .map(|pattern| pattern.parse().expect("a pattern"))
                .collect(),
        };
        hosts.admit(Some(Authority::parse(host.as_bytes()).expect("a host")))
    }

    #[test]
    fn addresses_and_loopback_names_always_pass_and_other_names_do_not() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "chat.localhost",
            "127.0.0.1:8080",
            "10.1.2.3",
            "[::1]:8080",
            "[2001:db8::1]",
        ] {
            assert!(admits(&[], host), "{host}");
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
            assert!(!admits(&[], host), "{host}");
            let any = Hosts {
                any: true,
                allowed: alloc::vec![],
            };
            assert!(any.admit(Authority::parse(host.as_bytes())), "{host}");
        }
        assert!(Hosts::default().admit(None), "no browser leaves it out");
    }

    #[test]
    fn a_name_passes_with_any_port_and_one_with_a_port_with_that() {
        for host in ["chat.example", "Chat.Example:8080", "chat.example:80"] {
            assert!(admits(&["CHAT.example"], host), "{host}");
        }
        for host in ["a.chat.example", "chat.example.evil", "xchat.example"] {
            assert!(!admits(&["chat.example"], host), "{host}");
        }
        assert!(admits(&["a", "chat.example:8443"], "chat.example:8443"));
        assert!(!admits(&["chat.example:8443"], "chat.example:8080"));
        assert!(!admits(&["chat.example:8443"], "chat.example"));
        assert!(admits(&["chat.example:443"], "chat.example"));
        assert!(admits(&["chat.example:80"], "chat.example"));
        assert!(!admits(&["chat.example:80"], "chat.example:443"));
    }

    #[test]
    fn a_star_stands_for_names_below_and_not_for_the_name() {
        for host in ["a.example.org", "b.A.example.ORG:99"] {
            assert!(admits(&["*.Example.org"], host), "{host}");
        }
        for host in ["example.org", "xexample.org", ".example.org", "org"] {
            assert!(!admits(&["*.example.org"], host), "{host}");
        }
        assert!(admits(&["*.example.org:8"], "a.example.org:8"));
        assert!(!admits(&["*.example.org:8"], "a.example.org:9"));
    }

    #[test]
    fn what_is_no_host_is_none_to_allow() {
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
