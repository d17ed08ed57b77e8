//! Parser of a request head (RFC 9112 §2 to §5): method, target and fields.
//!
//! Reports an error at the first byte that shows it. Does not decide what the request gets.

use crate::proto::http::authority::Authority;
use crate::proto::http::error::HandshakeError;
use crate::proto::http::fields::{Fields, HeadLimits, Lines, bare_lf};
use crate::proto::http::hosts::Hosts;
use crate::proto::http::target::Target;

/// A request head, borrowed from the received bytes.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    authority: Option<Authority<'a>>,
    minor_version: u8,
    fields: Lines<'a>,
}

impl<'a> Request<'a> {
    /// Parses the head at the start of `input` and returns it with its length in bytes; `None` if
    /// it is incomplete. Call it again with all bytes received so far when more arrive. The result
    /// does not depend on how the bytes are split: an error that no further byte can correct is
    /// returned at once.
    ///
    /// # Errors
    /// [`Malformed`](HandshakeError::Malformed), [`HeadTooLong`](HandshakeError::HeadTooLong),
    /// [`TargetTooLong`](HandshakeError::TargetTooLong),
    /// [`TooManyHeaders`](HandshakeError::TooManyHeaders),
    /// [`HttpVersion`](HandshakeError::HttpVersion) for a version other than 1.0 and 1.1,
    /// [`Host`](HandshakeError::Host) for an absolute target without a valid host.
    pub fn parse(
        input: &'a [u8],
        fields: &'a mut Fields<'a>,
        limits: HeadLimits,
    ) -> Result<Option<(Self, usize)>, HandshakeError> {
        // Bytes beyond the limit must not change the result.
        let within = &input[..input.len().min(limits.bytes)];
        let bare_lf = bare_lf(within);
        let strict = &within[..bare_lf.unwrap_or(within.len())];

        //= rfc9112#section-2.2 "In the interest of robustness, a server that is expecting to..."
        //= rfc9112#section-2.2 "A recipient of such a bare CR MUST consider that element to be..."
        //= rfc9112#section-5.1 "A server MUST reject, with a response status code of 400 (Bad..."
        //= rfc9112#section-5.2 "A server that receives an obs-fold in a request message that is..."
        // The parser skips leading empty lines, and refuses the others.
        let mut head = httparse::Request::new(&mut []);
        match head.parse_with_uninit_headers(strict, fields.storage(limits.fields)) {
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
                        target,
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
            Ok(httparse::Status::Partial) if input.len() > limits.bytes => Err(too_long(within)),
            Ok(httparse::Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => Err(HandshakeError::TooManyHeaders),
            Err(httparse::Error::Version) => Err(version_error(strict)),
            Err(_) => Err(HandshakeError::Malformed),
        }
    }

    /// Returns the method as it was sent. Methods are case-sensitive.
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// Returns the target as it was sent.
    pub const fn target(&self) -> &'a str {
        self.target
    }

    /// Returns the path of the target without decoding; `/` for an absolute target without a path.
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// Returns the target after its first question mark, without decoding.
    pub const fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Returns the digit after `HTTP/1.`: 0 or 1.
    pub const fn minor_version(&self) -> u8 {
        self.minor_version
    }

    /// Returns whether the response must be sent without content (RFC 9110 §9.3.2).
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Returns the name and the value of each field line, in the order sent, without surrounding
    /// whitespace. Names are as they were sent.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.fields.all()
    }

    /// Returns the value of each field line of that name, in the order sent, without surrounding
    /// whitespace. Names are case-insensitive.
    pub fn header<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.named(name)
    }

    /// Returns the non-empty elements of a comma-separated list that may span several field lines
    /// (RFC 9110 §5.6.1). Not for fields whose elements may contain quoted commas.
    //= rfc9110#section-5.6.1.2 "A recipient MUST parse and ignore a reasonable number of empty..."
    pub fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields.list(name)
    }

    /// Returns the value of a field that may occur only once; `None` if it is absent or repeated.
    pub(crate) fn only(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.only(name)
    }

    /// Checks that the request is addressed to an allowed host.
    ///
    /// # Errors
    /// [`Host`](HandshakeError::Host) if the request has no valid host, or several;
    /// [`HostNotAllowed`](HandshakeError::HostNotAllowed).
    pub fn check_host(&self, hosts: &Hosts) -> Result<(), HandshakeError> {
        self.host_of(hosts).map(|_| ())
    }

    /// Returns the host of the request if it is allowed.
    pub(crate) fn host_of(&self, hosts: &Hosts) -> Result<Option<Authority<'a>>, HandshakeError> {
        let host = self.host()?;
        match hosts.allows(host) {
            true => Ok(host),
            false => Err(HandshakeError::HostNotAllowed),
        }
    }

    /// Returns the host of the absolute target, else that of the Host field.
    //= rfc9112#section-3.2 "A server MUST respond with a 400 (Bad Request) status code to any..."
    pub(crate) fn host(&self) -> Result<Option<Authority<'a>>, HandshakeError> {
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

/// Distinguishes the parts of a head of which only this start fits the limit: whether the target
/// has not ended.
fn too_long(head: &[u8]) -> HandshakeError {
    let line = head.trim_ascii_start();
    let target = line.splitn(2, |&byte| byte == b' ').nth(1);
    let goes_on = |target: &[u8]| !target.iter().any(u8::is_ascii_whitespace);
    match target {
        Some(target) if goes_on(target) => HandshakeError::TargetTooLong,
        _ => HandshakeError::HeadTooLong,
    }
}

/// Distinguishes another version of HTTP from malformed input, by the first byte that is not that
/// of `HTTP/1.0` or `HTTP/1.1`.
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
    fn a_head_is_parsed_without_the_bytes_after_it() {
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
    fn a_list_spans_commas_and_field_lines() {
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
    fn a_malformed_head_is_refused_at_the_first_wrong_byte() {
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
    fn other_http_versions_have_their_own_error() {
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
    fn a_head_over_the_size_limit_is_refused() {
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
    fn a_target_over_the_size_limit_has_its_own_error() {
        let limits = HeadLimits {
            bytes: 32,
            ..HeadLimits::default()
        };
        let error = |head: &str| parse_with(head.as_bytes(), limits);
        let target = format!("\r\nGET /{}", "x".repeat(40));
        assert_eq!(error(&target), Err(HandshakeError::TargetTooLong));
        assert_eq!(error(&target[..32]), Ok(None));
        let method = "M".repeat(40);
        assert_eq!(error(&method), Err(HandshakeError::HeadTooLong));
        let version = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(25));
        assert_eq!(error(&version), Err(HandshakeError::HeadTooLong));
    }

    #[test]
    fn a_head_over_the_field_limit_is_refused() {
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
