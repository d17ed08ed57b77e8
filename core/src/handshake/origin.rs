//! Owns the rule of which web pages may connect (RFC 6455 §10.2, RFC 6454):
//! a browser says in `Origin` whose script is calling, and a script of another
//! site must not use the visitor's access. Who is not a browser sends none.

use super::authority::Authority;
use super::request::Request;
use crate::config::Origins;

/// Whether the request's origin may connect. `host` is what the request itself
/// was sent to.
///
/// A request without `Origin` passes, and with [`Origins::any`] every one does,
/// whatever it bears. Otherwise there must be exactly one well-formed origin:
/// that of `host`, a loopback one if those are let in, or one of the list.
//= https://www.rfc-editor.org/rfc/rfc6455#section-10.2
//# Servers that are not intended to process input from any web page but only
//# for certain sites SHOULD verify the |Origin| field is an origin they expect.
pub(crate) fn may_connect(
    request: &Request<'_>,
    host: Option<Authority<'_>>,
    origins: &Origins,
) -> bool {
    let mut values = request.header("origin");
    //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
    //# A connection attempt lacking this header field SHOULD NOT be interpreted
    //# as coming from a browser client.
    let (Some(value), doubled) = (values.next(), values.next().is_some()) else {
        return true;
    };
    if origins.any {
        return true;
    }
    let Some(origin) = Origin::parse(value) else {
        return false;
    };
    if doubled {
        return false;
    }
    origin.is_web()
        && host.is_some_and(|host| origin.authority.matches(&host, origin.default_port()))
        || origins.loopback && origin.is_web() && origin.authority.is_loopback()
        || origins
            .allowed
            .iter()
            .filter_map(|entry| Origin::parse(entry.as_bytes()))
            .any(|entry| entry.is(&origin))
}

/// Whether a text has the form of an origin, `scheme://host[:port]`. An entry
/// of [`Origins::allowed`] that has not can never match: tell the operator.
pub fn is_origin(text: &str) -> bool {
    Origin::parse(text.as_bytes()).is_some()
}

/// One origin. `null`, which stands for a page that has none it will tell, is none.
struct Origin<'a> {
    scheme: &'a [u8],
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let colon = bytes.iter().position(|&b| b == b':')?;
        let (scheme, rest) = bytes.split_at(colon);
        let (first, more) = scheme.split_first()?;
        let valid = first.is_ascii_alphabetic()
            && more
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
        let authority = Authority::parse(rest.strip_prefix(b"://")?)?;
        valid.then_some(Self { scheme, authority })
    }

    fn is(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self
                .authority
                .matches(&other.authority, self.default_port())
    }

    fn is_web(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"http") || self.scheme.eq_ignore_ascii_case(b"https")
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

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;
    use crate::config::Config;
    use crate::handshake::Fields;

    fn passes(host: &str, origin_lines: &[&str], origins: &Origins) -> bool {
        let lines: String = origin_lines
            .iter()
            .map(|o| format!("Origin: {o}\r\n"))
            .collect();
        let head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        let mut fields = Fields::new();
        let parsed = Request::parse(head.as_bytes(), &mut fields, &Config::default());
        let (request, _) = parsed.expect("well-formed").expect("whole");
        may_connect(&request, Authority::parse(host.as_bytes()), origins)
    }

    fn listed(entries: &[&str]) -> Origins {
        Origins {
            allowed: entries.iter().map(|&e| e.into()).collect::<Vec<_>>(),
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
            ..listed(&["null", "", "http://a.example"])
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
        assert!(
            is_origin("https://app.example")
                && !is_origin("app.example")
                && !is_origin("https://app.example/")
        );
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
            "http://[::1].evil.com",
            "http://0x7f000001",
            "http://localhost\\.evil.com",
        ] {
            assert!(!passes("h", &[origin], &origins), "{origin}");
        }
    }
}
