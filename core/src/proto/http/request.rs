//! Owns reading a request head (RFC 9112 §2 to §5): bytes to method, target and
//! fields, or a refusal as early as the bytes show that one is due. What a
//! request means is for `accept` to say.

use crate::proto::http::authority::Authority;
use crate::proto::http::error::HandshakeError;
use crate::proto::http::fields::{Fields, HeadLimits, Lines, bare_lf};
use crate::proto::http::hosts::Hosts;
use crate::proto::http::target::Target;

/// A request head, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    authority: Option<Authority<'a>>,
    minor_version: u8,
    fields: Lines<'a>,
}

impl<'a> Request<'a> {
    /// Reads the head at the start of `input`, with its length in bytes; `None`
    /// if it is not all there. Call it with everything received so far each
    /// time more arrives: what no further byte can mend is an error at once,
    /// and the same error however the bytes were cut.
    ///
    /// # Errors
    /// [`Malformed`](HandshakeError::Malformed), [`HeadTooLong`](HandshakeError::HeadTooLong),
    /// [`TooManyHeaders`](HandshakeError::TooManyHeaders),
    /// [`HttpVersion`](HandshakeError::HttpVersion) for a version other than 1.0 and 1.1,
    /// [`Host`](HandshakeError::Host) for an absolute target without a valid one.
    pub fn parse(
        input: &'a [u8],
        fields: &'a mut Fields<'a>,
        limits: HeadLimits,
    ) -> Result<Option<(Self, usize)>, HandshakeError> {
        // Bytes past the limit are not looked at, so that they cannot change the verdict.
        let within = &input[..input.len().min(limits.bytes)];
        let bare_lf = bare_lf(within);
        let strict = &within[..bare_lf.unwrap_or(within.len())];

        // Leading empty lines are skipped by the parser (RFC 9112 §2.2).
        let mut head = httparse::Request::new(&mut []);
        match head.parse_with_uninit_headers(strict, fields.room(limits.fields)) {
            Ok(httparse::Status::Complete(len)) => {
                let (Some(method), Some(target), Some(minor_version)) =
                    (head.method, head.path, head.version)
                else {
                    return Err(HandshakeError::Malformed);
                };
                let Target {
                    authority,
                    path,
                    query,
                } = Target::parse(method, target)?;
                let fields = Lines(head.headers);
                Ok(Some((
                    Self {
                        method,
                        path,
                        query,
                        authority,
                        minor_version,
                        fields,
                    },
                    len,
                )))
            }
            Ok(httparse::Status::Partial) if bare_lf.is_some() => Err(HandshakeError::Malformed),
            Ok(httparse::Status::Partial) if input.len() > limits.bytes => {
                Err(HandshakeError::HeadTooLong)
            }
            Ok(httparse::Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => Err(HandshakeError::TooManyHeaders),
            Err(httparse::Error::Version) => Err(version_error(strict)),
            Err(_) => Err(HandshakeError::Malformed),
        }
    }

    /// The method, as it was sent: methods are case-sensitive.
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// The path of the target, not decoded; `/` where an absolute target has none.
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// What stands behind the target's first question mark, not decoded.
    pub const fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The digit behind `HTTP/1.`: 0 or 1.
    pub const fn minor_version(&self) -> u8 {
        self.minor_version
    }

    /// Whether an answer must go without its content (RFC 9110 §9.3.2).
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The value of each field line of that name, in the order sent, without
    /// the whitespace around it. Names match without regard to case.
    pub fn header<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.named(name)
    }

    /// The elements of a comma-separated list that may be spread over several
    /// field lines, the empty ones left out (RFC 9110 §5.6.1). Not for fields
    /// whose elements may contain quoted commas.
    //= rfc9110#section-5.6.1.2 "A recipient MUST parse and ignore a reasonable number of empty..."
    pub fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.list(name)
    }

    /// The value of a field that may stand once only; `None` if it does not.
    pub(crate) fn only(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.only(name)
    }

    /// Checks that the request is addressed to one of these hosts.
    ///
    /// # Errors
    /// [`Host`](HandshakeError::Host) if it has no valid host, or more than one;
    /// [`HostNotAllowed`](HandshakeError::HostNotAllowed).
    pub fn check_host(&self, hosts: &Hosts) -> Result<(), HandshakeError> {
        self.host_of(hosts).map(|_| ())
    }

    /// Where the request was sent to, if that is one of these hosts.
    pub(crate) fn host_of(&self, hosts: &Hosts) -> Result<Option<Authority<'a>>, HandshakeError> {
        let host = self.host()?;
        match hosts.admit(host) {
            true => Ok(host),
            false => Err(HandshakeError::HostNotAllowed),
        }
    }

    /// Where the request was sent to: the absolute target's host, else the Host field's.
    //= rfc9112#section-3.2 "A server MUST respond with a 400 (Bad Request) status code to any..."
    fn host(&self) -> Result<Option<Authority<'a>>, HandshakeError> {
        let mut lines = self.header("host");
        let named = match (lines.next(), lines.next()) {
            (None, _) if self.minor_version == 0 => None,
            (Some(value), None) => Some(Authority::parse(value).ok_or(HandshakeError::Host)?),
            _ => return Err(HandshakeError::Host),
        };
        //= rfc9112#section-3.2.2 "When an origin server receives a request with an..."
        Ok(self.authority.or(named))
    }
}

/// Tells another version of HTTP from what is not HTTP at all, by the first
/// byte that is not that of `HTTP/1.0` or `HTTP/1.1` and no byte behind it.
fn version_error(head: &[u8]) -> HandshakeError {
    let version = head
        .trim_ascii_start()
        .splitn(3, |&b| b == b' ')
        .nth(2)
        .unwrap_or(&[]);
    let other_minor = version
        .strip_prefix(b"HTTP/1.")
        .is_some_and(starts_with_digit);
    let other_major = version
        .strip_prefix(b"HTTP/")
        .is_some_and(|major| starts_with_digit(major) && major[0] != b'1');
    if other_minor || other_major {
        HandshakeError::HttpVersion
    } else {
        HandshakeError::Malformed
    }
}

fn starts_with_digit(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;
    use crate::proto::http::MAX_HEADERS;

    type Seen = Result<Option<(String, String, Option<String>, u8, usize)>, HandshakeError>;

    fn parse(head: &[u8]) -> Seen {
        parse_with(head, HeadLimits::default())
    }

    fn parse_with(head: &[u8], limits: HeadLimits) -> Seen {
        let mut fields = Fields::new();
        Ok(
            Request::parse(head, &mut fields, limits)?.map(|(request, len)| {
                let query = request.query().map(Into::into);
                (
                    request.method().into(),
                    request.path().into(),
                    query,
                    request.minor_version(),
                    len,
                )
            }),
        )
    }

    #[test]
    fn takes_a_head_apart_and_leaves_what_follows() {
        let head =
            b"GET /ws?room=a?b HTTP/1.1\r\nHost: h\r\nA: 1\r\na:  2 \t\r\n\r\n\x81\x85\nbare\n";
        let mut fields = Fields::new();
        let parsed = Request::parse(head, &mut fields, HeadLimits::default());
        let (request, len) = parsed.expect("well-formed").expect("whole");
        assert_eq!(
            (request.method(), request.path(), request.query()),
            ("GET", "/ws", Some("room=a?b"))
        );
        assert_eq!((request.minor_version(), len), (1, head.len() - 8));
        assert_eq!(request.header("A").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(request.header("b").count(), 0);
    }

    #[test]
    fn lists_run_over_commas_and_lines() {
        let head = b"GET / HTTP/1.1\r\nU: a, b,,c\r\nu:\r\nu: \td ,\r\n\r\n";
        let mut fields = Fields::new();
        let parsed = Request::parse(head, &mut fields, HeadLimits::default());
        let (request, _) = parsed.expect("well-formed").expect("whole");
        assert_eq!(
            request.list("u").collect::<Vec<_>>(),
            [b"a", b"b", b"c", b"d"]
        );
    }

    #[test]
    fn leading_empty_lines_are_skipped() {
        assert_eq!(parse(b"\r\n").map(|seen| seen.is_none()), Ok(true));
        let seen = parse(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
            .expect("well-formed")
            .expect("whole");
        assert_eq!(seen.4, 22);
    }

    #[test]
    fn garbage_is_refused_at_the_byte_that_shows_it() {
        for (good, bad) in [
            ("", "\x16"),
            ("", "\0"),
            ("", " "),
            ("", "\n"),
            ("\r", "x"),
            ("GE", "\r"),
            ("GE", "("),
            ("GET", "\t"),
            ("GET ", " "),
            ("GET /", "\r"),
            ("GET /", "\x7f"),
            ("GET / ", "X"),
            ("GET / HTTP/1", "/"),
            ("GET / HTTP/1.1", " "),
            ("GET / HTTP/1.1", "\n"),
            ("GET / HTTP/1.1\r", "x"),
            ("GET / HTTP/1.1\r\n", " "),
            ("GET / HTTP/1.1\r\n", ":"),
            ("GET / HTTP/1.1\r\n", "\n"),
            ("GET / HTTP/1.1\r\nHost", " "),
            ("GET / HTTP/1.1\r\nHost", "\r"),
            ("GET / HTTP/1.1\r\nHost: a", "\n"),
            ("GET / HTTP/1.1\r\nHost: a", "\0"),
            ("GET / HTTP/1.1\r\nHost: a", "\x1b"),
            ("GET / HTTP/1.1\r\nHost: a\r", "b"),
            ("GET / HTTP/1.1\r\nHost: a\r\n", " "),
            ("GET / HTTP/1.1\r\nHost: a\r\n", "\t"),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r", "x"),
        ] {
            assert_eq!(parse(good.as_bytes()), Ok(None), "{good:?}");
            assert_eq!(
                parse(format!("{good}{bad}").as_bytes()),
                Err(HandshakeError::Malformed),
                "{good:?}{bad:?}"
            );
        }
    }

    #[test]
    fn other_versions_of_http_are_told_from_garbage() {
        for other in ["HTTP/2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3"] {
            assert_eq!(
                parse(format!("PRI * {other}\r\n\r\n").as_bytes()),
                Err(HandshakeError::HttpVersion),
                "{other}"
            );
        }
        for garbage in ["HTTP/x", "http/1.1", "HTTP/1.x", "HTTP/1,1", "ICY"] {
            assert_eq!(
                parse(format!("GET / {garbage}\r\n\r\n").as_bytes()),
                Err(HandshakeError::Malformed),
                "{garbage}"
            );
        }
    }

    #[test]
    fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
        let limits = HeadLimits {
            bytes: 256,
            ..HeadLimits::default()
        };
        let head = |len: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(len - 23));
        assert_eq!(
            parse_with(head(256).as_bytes(), limits)
                .expect("fits")
                .expect("whole")
                .4,
            256
        );
        assert_eq!(
            parse_with(head(257).as_bytes(), limits),
            Err(HandshakeError::HeadTooLong)
        );
        assert_eq!(parse_with(&head(300).as_bytes()[..256], limits), Ok(None));
        assert_eq!(
            parse_with(&head(300).as_bytes()[..257], limits),
            Err(HandshakeError::HeadTooLong)
        );
        let followed = format!("{}{}", head(256), "x".repeat(500));
        assert!(parse_with(followed.as_bytes(), limits).is_ok_and(|seen| seen.is_some()));
    }

    #[test]
    fn as_many_fields_as_the_limit_and_no_more() {
        for limit in [8, 64, MAX_HEADERS] {
            let limits = HeadLimits {
                fields: limit,
                ..HeadLimits::default()
            };
            let head = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(n));
            assert!(parse_with(head(limit).as_bytes(), limits).is_ok_and(|seen| seen.is_some()));
            assert_eq!(
                parse_with(head(limit + 1).as_bytes(), limits),
                Err(HandshakeError::TooManyHeaders)
            );
        }
    }
}
