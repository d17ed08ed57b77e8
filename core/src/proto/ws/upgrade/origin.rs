//! Owns the rule of which web pages may connect (RFC 6455 §10.2, RFC 6454):
//! a browser says in `Origin` whose script is calling, and a script of another
//! site must not use the visitor's access. Who is not a browser sends none.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::proto::http::{Authority, Request};

/// Allowed values of `Origin` (RFC 6455 §10.2). A request without `Origin`, which is not from a
/// browser, is always allowed, and so is one of the same origin as its `Host`.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Whether pages of any loopback origin are allowed, as they should be while the server listens on
    /// loopback only.
    pub loopback: bool,
    /// Whether every origin is allowed.
    pub any: bool,
    /// Further allowed origins.
    pub allowed: Vec<Origin>,
}

/// Whether the request's origin may connect. `host` is what the request itself
/// was sent to.
///
/// A request without `Origin` passes, and with [`Origins::any`] every one does,
/// whatever it bears. Otherwise there must be exactly one well-formed origin:
/// that of `host`, a loopback one if those are let in, or one of the list.
//= rfc6455#section-10.2 "Servers that are not intended to process input from any web page but..."
pub(crate) fn may_connect(
    request: &Request<'_>,
    host: Option<Authority<'_>>,
    origins: &Origins,
) -> bool {
    let mut values = request.header("origin");
    //= rfc6455#section-4.2.1 "A connection attempt lacking this header field SHOULD NOT be..."
    let (Some(value), doubled) = (values.next(), values.next().is_some()) else {
        return true;
    };
    if origins.any {
        return true;
    }
    if doubled {
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
    origins.allowed.iter().any(|allowed| allowed.is(&origin))
}

/// An origin that may be allowed: `scheme://host[:port]`, or `null`. Of a scheme that
/// is not http or https the host may be empty, as in `file://`.
///
/// `null` stands for every page that has no origin it will tell, such as a file in
/// most browsers or a frame in a sandbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin(Kind);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Null,
    Tuple {
        scheme: String,
        /// In lower case; empty where there is none.
        host: String,
        /// The default of the scheme where none is named, if it has one.
        port: Option<u16>,
    },
}

impl Origin {
    /// Its host, as it was written but in lower case, an IPv6 address in its brackets;
    /// `None` where it has none.
    pub fn host(&self) -> Option<&str> {
        match &self.0 {
            Kind::Tuple { host, .. } if !host.is_empty() => Some(host),
            Kind::Tuple { .. } | Kind::Null => None,
        }
    }

    fn is(&self, origin: &Serialized<'_>) -> bool {
        match (&self.0, origin) {
            (Kind::Null, Serialized::Null) => true,
            (Kind::Tuple { scheme, host, port }, Serialized::Tuple(other)) => {
                other.scheme.eq_ignore_ascii_case(scheme.as_bytes())
                    && other.authority.has_host(host)
                    && other.authority.port().or(other.default_port()) == *port
            }
            (Kind::Tuple { scheme, host, .. }, Serialized::Hostless(other)) => {
                host.is_empty() && other.eq_ignore_ascii_case(scheme.as_bytes())
            }
            (Kind::Null | Kind::Tuple { .. }, _) => false,
        }
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let scheme = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_lowercase();
        Ok(Self(
            match Serialized::parse(text.as_bytes()).ok_or(NotAnOrigin)? {
                Serialized::Null => Kind::Null,
                Serialized::Hostless(bytes) => Kind::Tuple {
                    scheme: scheme(bytes),
                    host: String::new(),
                    port: None,
                },
                // A star in a host is meant as a pattern, and none is known here.
                Serialized::Tuple(tuple) if tuple.authority.host().contains('*') => {
                    return Err(NotAnOrigin);
                }
                Serialized::Tuple(tuple) => Kind::Tuple {
                    scheme: scheme(tuple.scheme),
                    host: tuple.authority.host().to_ascii_lowercase(),
                    port: tuple.authority.port().or(tuple.default_port()),
                },
            },
        ))
    }
}

/// A text that is no [`Origin`], as one with a path is none, be it only `/`.
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

    fn passes(host: &str, origin_lines: &[&str], origins: &Origins) -> bool {
        let lines: String = origin_lines
            .iter()
            .map(|o| format!("Origin: {o}\r\n"))
            .collect();
        let head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        let mut fields = Fields::new();
        let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default());
        let (request, _) = parsed.expect("well-formed").expect("whole");
        may_connect(&request, Authority::parse(host.as_bytes()), origins)
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
    fn no_origin_and_the_same_origin_pass() {
        let none = Origins::default();
        assert!(passes("a.example", &[], &none));
        for (host, origin) in [
            ("a.example", "http://a.example"),
            ("a.example", "https://A.EXAMPLE"),
            ("A.example:80", "http://a.example"),
            ("a.example:443", "https://a.example"),
            ("a.example", "https://a.example:443"),
            ("a.example:3000", "http://a.example:3000"),
            ("[::1]:3000", "HTTP://[::1]:3000"),
        ] {
            assert!(passes(host, &[origin], &none), "{host} {origin}");
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
            assert!(!passes(host, &[origin], &none), "{host} {origin}");
        }
    }

    #[test]
    fn what_is_no_single_origin_is_refused() {
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
            assert!(!passes("a.example", &[origin], &origins), "{origin}");
        }
        assert!(passes("a.example", &["http://a.example"], &origins));
        assert!(
            !passes(
                "a.example",
                &["http://a.example", "http://a.example"],
                &origins
            ),
            "doubled"
        );
    }

    #[test]
    fn any_passes_all() {
        let any = Origins {
            any: true,
            ..Origins::default()
        };
        for origin in ["null", "http://evil.com", "?"] {
            assert!(passes("a.example", &[origin], &any), "{origin}");
        }
    }

    #[test]
    fn a_listed_origin_passes_by_scheme_host_and_port() {
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
            assert!(passes("h", &[origin], &origins), "{origin}");
        }
        for origin in [
            "http://app.example",
            "https://app.example:444",
            "http://b.example",
            "https://sub.app.example",
            "chrome-extension://abcdefg",
        ] {
            assert!(!passes("h", &[origin], &origins), "{origin}");
        }
    }

    #[test]
    fn null_and_origins_without_a_host_pass_where_they_are_listed() {
        let origins = listed(&["null", "file://", "https://[2001:DB8::1]"]);
        for origin in [
            "null",
            "file://",
            "FILE://",
            "https://[2001:db8::1]",
            "https://[2001:db8:0::1]:443",
        ] {
            assert!(passes("h", &[origin], &origins), "{origin}");
            assert!(!passes("h", &[origin], &Origins::default()), "{origin}");
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
            assert!(!passes("h", &[origin], &origins), "{origin}");
        }
        assert!(!passes("h", &["null", "null"], &origins), "doubled");
        assert!(!passes("h", &["null"], &listed(&["file://"])));
        assert!(!passes("h", &["file://"], &listed(&["null", "file://a"])));
    }

    #[test]
    fn what_is_no_origin_is_none_to_allow_either() {
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
            "https://*.example",
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
        assert_eq!(host("file://"), None);
    }

    #[test]
    fn loopback_pages_pass_where_they_may_and_look_alikes_do_not() {
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
            assert!(passes("h", &[origin], &origins), "{origin}");
            assert!(!passes("h", &[origin], &Origins::default()), "{origin}");
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
            assert!(!passes("h", &[origin], &origins), "{origin}");
        }
    }
}
