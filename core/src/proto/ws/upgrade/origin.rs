//! Check of the origin of a request (RFC 6455 §10.2, RFC 6454).
//!
//! A browser sends the origin of the calling script, so that a script of another site cannot use
//! the visitor's access. Other clients send none.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::origin_pattern::OriginPattern;
use crate::proto::http::{Authority, Request};

/// Allowed values of `Origin` (RFC 6455 §10.2). A request without `Origin`, which is not from a
/// browser, is always allowed, and so is one of the same origin as its `Host`.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Whether every loopback origin is allowed, as is useful while the server listens on loopback
    /// only.
    pub loopback: bool,
    /// Whether every origin is allowed.
    pub any: bool,
    /// Further allowed origins.
    pub allowed: Vec<Origin>,
}

/// Returns whether the request's origin is allowed. `host` is the host of the request.
///
/// A request without `Origin` is allowed, and with [`Origins::any`] every request is. Otherwise the
/// request must have exactly one well-formed origin: that of `host`, a loopback one if those are
/// allowed, or one of the list.
//= rfc6455#section-10.2 "Servers that are not intended to process input from any web page but..."
pub(crate) fn is_allowed(
    request: &Request<'_>,
    host: Option<Authority<'_>>,
    origins: &Origins,
) -> bool {
    let mut values = request.header("origin");
    //= rfc6455#section-4.2.1 "A connection attempt lacking this header field SHOULD NOT be..."
    let (Some(value), repeated) = (values.next(), values.next().is_some()) else {
        return true;
    };
    if origins.any {
        return true;
    }
    if repeated {
        return false;
    }
    let Some(origin) = Serialized::parse(value) else {
        return false;
    };
    if let Serialized::Tuple(page) = &origin
        && page.is_web()
        && (origins.loopback && page.authority.is_loopback()
            || host.is_some_and(|host| page.authority.matches(&host, page.default_port())))
    {
        return true;
    }
    origins
        .allowed
        .iter()
        .any(|allowed| allowed.matches(value, &origin))
}

/// An allowed origin: `scheme://host[:port]`, or `null`. With a scheme other than http and https
/// the host may be empty, as in `file://`. A `*` in it stands for any characters: `http://localhost:*`
/// is every origin of that host with a port.
///
/// `null` stands for every page with an opaque origin, such as a file in most browsers or a
/// sandboxed frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin(Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Null,
    Tuple {
        scheme: String,
        /// In lower case; empty if there is none.
        host: String,
        /// The port, or the default of the scheme, if it has one.
        port: Option<u16>,
    },
    Pattern(OriginPattern),
}

impl Origin {
    /// Returns the host in lower case, an IPv6 address in its brackets; `None` if there is none, or
    /// if a `*` stands for some of the origin.
    pub fn host(&self) -> Option<&str> {
        match &self.0 {
            Kind::Tuple { host, .. } if !host.is_empty() => Some(host),
            Kind::Tuple { .. } | Kind::Null | Kind::Pattern(_) => None,
        }
    }

    /// Returns whether a value is of this origin. `origin` is what was parsed from it.
    fn matches(&self, value: &[u8], origin: &Serialized<'_>) -> bool {
        match (&self.0, origin) {
            (Kind::Pattern(pattern), Serialized::Tuple(_)) => pattern.matches(value),
            (Kind::Null, Serialized::Null) => true,
            (Kind::Tuple { scheme, host, port }, Serialized::Tuple(other)) => {
                other.scheme.eq_ignore_ascii_case(scheme.as_bytes())
                    && other.authority.has_host(host)
                    && other.authority.port().or(other.default_port()) == *port
            }
            (Kind::Tuple { scheme, host, .. }, Serialized::Hostless(other)) => {
                host.is_empty() && other.eq_ignore_ascii_case(scheme.as_bytes())
            }
            (Kind::Null | Kind::Tuple { .. } | Kind::Pattern(_), _) => false,
        }
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        if text.contains('*') {
            let pattern = OriginPattern::parse(text).ok_or(NotAnOrigin)?;
            return Ok(Self(Kind::Pattern(pattern)));
        }
        let scheme = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_lowercase();
        Ok(Self(
            match Serialized::parse(text.as_bytes()).ok_or(NotAnOrigin)? {
                Serialized::Null => Kind::Null,
                Serialized::Hostless(bytes) => Kind::Tuple {
                    scheme: scheme(bytes),
                    host: String::new(),
                    port: None,
                },
                Serialized::Tuple(tuple) => Kind::Tuple {
                    scheme: scheme(tuple.scheme),
                    host: tuple.authority.host().to_ascii_lowercase(),
                    port: tuple.authority.port().or(tuple.default_port()),
                },
            },
        ))
    }
}

/// The error of a text that is not an [`Origin`]. A text with a path, such as `/`, is not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NotAnOrigin;

impl fmt::Display for NotAnOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an origin: scheme://host[:port], or null")
    }
}

impl core::error::Error for NotAnOrigin {}

/// The value of an Origin field (RFC 6454 §6.2), borrowed.
enum Serialized<'a> {
    Null,
    /// A scheme whose origins have no host.
    Hostless(&'a [u8]),
    Tuple(Tuple<'a>),
}

struct Tuple<'a> {
    scheme: &'a [u8],
    authority: Authority<'a>,
}

impl<'a> Serialized<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes == b"null" {
            return Some(Self::Null);
        }
        let colon = bytes.iter().position(|&b| b == b':')?;
        let (scheme, rest) = bytes.split_at(colon);
        let (first, more) = scheme.split_first()?;
        let valid = first.is_ascii_alphabetic()
            && more
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
        if !valid {
            return None;
        }
        match rest.strip_prefix(b"://")? {
            b"" => (!is_web(scheme)).then_some(Self::Hostless(scheme)),
            host => Some(Self::Tuple(Tuple {
                scheme,
                authority: Authority::parse(host)?,
            })),
        }
    }
}

impl Tuple<'_> {
    fn is_web(&self) -> bool {
        is_web(self.scheme)
    }

    fn default_port(&self) -> Option<u16> {
        if self.scheme.eq_ignore_ascii_case(b"http") {
            Some(80)
        } else if self.scheme.eq_ignore_ascii_case(b"https") {
            Some(443)
        } else {
            None
        }
    }
}

fn is_web(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::proto::http::{Fields, HeadLimits};

    fn allows(host: &str, origin_lines: &[&str], origins: &Origins) -> bool {
        let lines: String = origin_lines
            .iter()
            .map(|o| format!("Origin: {o}\r\n"))
            .collect();
        let head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        let mut fields = Fields::new();
        let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default());
        let (request, _) = parsed.expect("well-formed").expect("whole");
        is_allowed(&request, Authority::parse(host.as_bytes()), origins)
    }

    fn listed(entries: &[&str]) -> Origins {
        Origins {
            allowed: entries
                .iter()
                .map(|entry| entry.parse().expect("an origin"))
                .collect(),
            ..Origins::default()
        }
    }

    #[test]
    fn no_origin_and_the_same_origin_are_allowed() {
        let none = Origins::default();
        assert!(allows("a.example", &[], &none));
        for (host, origin) in [
            ("a.example", "http://a.example"),
            ("a.example", "https://A.EXAMPLE"),
            ("A.example:80", "http://a.example"),
            ("a.example:443", "https://a.example"),
            ("a.example", "https://a.example:443"),
            ("a.example:3000", "http://a.example:3000"),
            ("[::1]:3000", "HTTP://[::1]:3000"),
        ] {
            assert!(allows(host, &[origin], &none), "{host} {origin}");
        }
        for (host, origin) in [
            ("a.example", "http://b.example"),
            ("a.example", "http://a.example:8080"),
            ("a.example:80", "https://a.example"),
            ("a.example:3000", "http://a.example"),
            ("a.example", "ftp://a.example"),
            ("a.example", "http://a.example.evil.com"),
            ("a.example", "http://evil.com/a.example"),
            ("localhost:3000", "http://localhost:4000"),
        ] {
            assert!(!allows(host, &[origin], &none), "{host} {origin}");
        }
    }

    #[test]
    fn malformed_and_repeated_origins_are_refused() {
        let origins = Origins {
            loopback: true,
            ..listed(&["http://a.example"])
        };
        for origin in [
            "null",
            "",
            "a.example",
            "http://",
            "//a.example",
            "http://a.example/",
            "http://a.example/ws",
            "http://u@a.example",
            "http://a.example http://a.example",
            "http:a.example",
            "://a.example",
            "1http://a.example",
            "http://a.example:x",
            "http://a.example, http://a.example",
            "\u{e9}",
        ] {
            assert!(!allows("a.example", &[origin], &origins), "{origin}");
        }
        assert!(allows("a.example", &["http://a.example"], &origins));
        assert!(
            !allows(
                "a.example",
                &["http://a.example", "http://a.example"],
                &origins
            ),
            "repeated"
        );
    }

    #[test]
    fn any_allows_every_origin() {
        let any = Origins {
            any: true,
            ..Origins::default()
        };
        for origin in ["null", "http://evil.com", "?"] {
            assert!(allows("a.example", &[origin], &any), "{origin}");
        }
    }

    #[test]
    fn a_listed_origin_matches_by_scheme_host_and_port() {
        let origins = listed(&[
            "https://App.example",
            "http://b.example:8080",
            "chrome-extension://abcdef",
        ]);
        for origin in [
            "https://app.example",
            "https://app.example:443",
            "HTTP://B.example:8080",
            "chrome-extension://abcdef",
        ] {
            assert!(allows("h", &[origin], &origins), "{origin}");
        }
        for origin in [
            "http://app.example",
            "https://app.example:444",
            "http://b.example",
            "https://sub.app.example",
            "chrome-extension://abcdefg",
        ] {
            assert!(!allows("h", &[origin], &origins), "{origin}");
        }
    }

    #[test]
    fn null_and_hostless_origins_are_allowed_if_listed() {
        let origins = listed(&["null", "file://", "https://[2001:DB8::1]"]);
        for origin in [
            "null",
            "file://",
            "FILE://",
            "https://[2001:db8::1]",
            "https://[2001:db8:0::1]:443",
        ] {
            assert!(allows("h", &[origin], &origins), "{origin}");
            assert!(!allows("h", &[origin], &Origins::default()), "{origin}");
        }
        for origin in [
            "NULL",
            "null null",
            "nul",
            "file://a",
            "file:///",
            "app://",
            "https://[2001:db8::2]",
        ] {
            assert!(!allows("h", &[origin], &origins), "{origin}");
        }
        assert!(!allows("h", &["null", "null"], &origins), "repeated");
        assert!(!allows("h", &["null"], &listed(&["file://"])));
        assert!(!allows("h", &["file://"], &listed(&["null", "file://a"])));
    }

    #[test]
    fn an_invalid_origin_cannot_be_listed() {
        for text in [
            "",
            "*",
            "NULL",
            "app.example",
            "https://",
            "http://",
            "://a",
            "https://app.example/",
            "https://a b",
            "https://a:99999",
            "https://*.example/",
            "file:///",
            "file:",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(NotAnOrigin), "{text}");
        }
        let host = |text: &str| {
            let origin: Origin = text.parse().expect("an origin");
            origin.host().map(String::from)
        };
        assert_eq!(
            host("https://App.example:8").as_deref(),
            Some("app.example")
        );
        assert_eq!(host("null"), None);
        assert_eq!(host("https://*.example"), None);
        assert_eq!(host("file://"), None);
    }

    #[test]
    fn a_pattern_allows_well_formed_origins_only() {
        let origins = listed(&["http://localhost:*", "https://*.a.example"]);
        for origin in ["http://localhost:3000", "https://b.A.example"] {
            assert!(allows("h", &[origin], &origins), "{origin}");
        }
        for origin in [
            "http://localhost",
            "http://localhost:3000@evil.com",
            "http://localhost:3000/",
            "https://evil.com/b.a.example",
            "https://evil.com#.a.example",
            "null",
        ] {
            assert!(!allows("h", &[origin], &origins), "{origin}");
        }
    }

    #[test]
    fn loopback_origins_are_allowed_but_look_alikes_are_not() {
        let origins = Origins {
            loopback: true,
            ..Origins::default()
        };
        let pages = [
            "http://localhost",
            "https://localhost:5173",
            "http://x.localhost:1",
            "http://127.0.0.1:8000",
            "http://127.8.9.10",
            "http://[::1]:9",
        ];
        for origin in pages {
            assert!(allows("h", &[origin], &origins), "{origin}");
            assert!(!allows("h", &[origin], &Origins::default()), "{origin}");
        }
        for origin in [
            "http://localhost.evil.com",
            "http://127.0.0.1.evil.com",
            "http://localhost@evil.com",
            "http://127.1",
            "http://evil.com#localhost",
            "http://evil.com:80@localhost",
            "http://localhost:80@evil.com",
            "ftp://localhost",
            "file://localhost",
            "file://",
            "null",
            "http://[::1].evil.com",
            "http://0x7f000001",
            "http://localhost\\.evil.com",
        ] {
            assert!(!allows("h", &[origin], &origins), "{origin}");
        }
    }
}
