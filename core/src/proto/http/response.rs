//! Error responses of the server itself (RFC 9110, RFC 9112).
//!
//! All others are written by [`HttpConnection`](crate::proto::http::HttpConnection).
//! There is no `Date`, since there is no clock here (RFC 9110 §6.6.1), and no `Server`.

use alloc::vec::Vec;

use crate::proto::http::encode::{Persistence, connection, content_length, field, status_line};
use crate::proto::http::error::HandshakeError;

/// The methods of every page.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

/// Appends an error response: the status, the fields that a client needs to correct the request,
/// and one line of explanation; without that line if `head_only` is set.
/// The connection ends after it.
pub fn refusal(out: &mut Vec<u8>, error: HandshakeError, head_only: bool) {
    let status = refusal_status(error);
    status_line(out, status);
    match status {
        //= rfc9110#section-15.5.22 "The server MUST send an Upgrade header field in a 426..."
        //= rfc9110#section-7.8 "A sender of Upgrade MUST also send an "Upgrade" connection..."
        426 => {
            connection(out, Persistence::Close, Some("Upgrade"));
            field(out, "Upgrade", b"websocket");
            //= rfc6455#section-4.4 "If the server doesn't support the requested version, it..."
            field(out, "Sec-WebSocket-Version", b"13");
        }
        _ => connection(out, Persistence::Close, None),
    }
    match status {
        405 => field(out, "Allow", METHODS.as_bytes()),
        429 | 503 => field(out, "Retry-After", b"1"),
        _ => {}
    }
    let text = explanation(error).as_bytes();
    field(out, "Content-Type", PLAIN);
    content_length(out, text.len() as u64);
    out.extend_from_slice(b"\r\n");
    if !head_only {
        out.extend_from_slice(text);
    }
}

/// Returns the status of the error. A status of the application must be a 4xx or a 5xx: a 101 or a
/// 200 would misstate the result.
fn refusal_status(error: HandshakeError) -> u16 {
    match error.status() {
        status @ 400..=599 => status,
        _ => 500,
    }
}

/// Returns what was wrong and what is expected. It repeats nothing of the request.
const fn explanation(error: HandshakeError) -> &'static str {
    match error {
        HandshakeError::Malformed => {
            "This is not an HTTP/1.1 request head; lines end in CRLF and fields read `Name: value`.\n"
        }
        HandshakeError::HeadTooLong => {
            "The request head is too long; send fewer or shorter header fields.\n"
        }
        HandshakeError::TargetTooLong => {
            "The request target is too long; send fewer or shorter parameters.\n"
        }
        HandshakeError::TooManyHeaders => "The request has too many header fields; send fewer.\n",
        HandshakeError::Timeout => {
            "The request did not arrive in time; send it at once after connecting.\n"
        }
        HandshakeError::Truncated => {
            "The connection ended inside the request; end the head with an empty line, and send the whole body.\n"
        }
        HandshakeError::Method => "This method is not supported here; use GET.\n",
        HandshakeError::HttpVersion => {
            "This version of HTTP is not supported here; use HTTP/1.1.\n"
        }
        HandshakeError::Host => "The request must have exactly one valid Host header field.\n",
        HandshakeError::HostNotAllowed => {
            "This server is not known by the host name of the request; its operator can allow the name (--client.allowed-hosts).\n"
        }
        HandshakeError::Body => {
            "A WebSocket handshake must not have a body; leave out Content-Length and Transfer-Encoding.\n"
        }
        HandshakeError::Framing => {
            "The length of the body is not clear; send one valid Content-Length, or `Transfer-Encoding: chunked` and well-formed chunks.\n"
        }
        HandshakeError::TransferCoding => {
            "This transfer coding is not supported here; use only `chunked`.\n"
        }
        HandshakeError::BodyTooLong => "The body is too long; send a shorter one.\n",
        HandshakeError::Expectation => {
            "This expectation cannot be met; only `Expect: 100-continue` can.\n"
        }
        HandshakeError::NotFound => "There is no page and no WebSocket endpoint at this path.\n",
        HandshakeError::NotUpgrade => {
            "This is a WebSocket endpoint; send `Upgrade: websocket` and `Connection: Upgrade` with GET.\n"
        }
        HandshakeError::Version => {
            "Only WebSocket version 13 is supported; send exactly one `Sec-WebSocket-Version: 13`.\n"
        }
        HandshakeError::Key => {
            "The request must have exactly one Sec-WebSocket-Key: 16 random bytes in base64.\n"
        }
        HandshakeError::Subprotocol => {
            "Sec-WebSocket-Protocol must be a list of distinct names, such as `chat.v2, chat`.\n"
        }
        HandshakeError::Extensions => {
            "Sec-WebSocket-Extensions must be a list such as `permessage-deflate; client_max_window_bits`.\n"
        }
        HandshakeError::Origin => {
            "Pages of this origin may not connect; the server's operator can allow the origin (--allow-origin).\n"
        }
        HandshakeError::Full => "The server is at its limit of connections; try again later.\n",
        HandshakeError::Memory => {
            "The server has no memory for more connections; try again later.\n"
        }
        HandshakeError::Draining => "The server is shutting down; try again later.\n",
        HandshakeError::AnswerTimeout => {
            "The server has not decided about the request in time; try again later.\n"
        }
        HandshakeError::Forwarded => {
            "The proxy forwards this request with a malformed field `Forwarded`.\n"
        }
        HandshakeError::AddressFull => {
            "There are too many connections from this address; close some of them, or try again later.\n"
        }
        HandshakeError::AddressRate => {
            "This address opens connections too fast; try again later.\n"
        }
        HandshakeError::Handler(_) => "The application refused the connection.\n",
    }
}

/// The media type of text for people.
const PLAIN: &[u8] = b"text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::String;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before".to_vec();
        write(&mut out);
        String::from_utf8(out)
            .expect("text")
            .strip_prefix("before")
            .expect("appended to")
            .to_owned()
    }

    /// Parses a response with `httparse`: the status, the values of a field, the content.
    fn taken_apart(response: &str, name: &str) -> (u16, Vec<String>, String) {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut head = httparse::Response::new(&mut fields);
        let len = head
            .parse(response.as_bytes())
            .expect("well-formed")
            .unwrap();
        let named = head
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        let values = named
            .map(|field| String::from_utf8(field.value.to_vec()).expect("text"))
            .collect();
        (
            head.code.expect("a status"),
            values,
            response[len..].to_owned(),
        )
    }

    const EVERY: [HandshakeError; HandshakeError::COUNT] = [
        HandshakeError::Malformed,
        HandshakeError::HeadTooLong,
        HandshakeError::TargetTooLong,
        HandshakeError::TooManyHeaders,
        HandshakeError::Timeout,
        HandshakeError::Truncated,
        HandshakeError::Method,
        HandshakeError::HttpVersion,
        HandshakeError::Host,
        HandshakeError::HostNotAllowed,
        HandshakeError::Body,
        HandshakeError::Framing,
        HandshakeError::TransferCoding,
        HandshakeError::BodyTooLong,
        HandshakeError::Expectation,
        HandshakeError::NotFound,
        HandshakeError::NotUpgrade,
        HandshakeError::Version,
        HandshakeError::Key,
        HandshakeError::Subprotocol,
        HandshakeError::Extensions,
        HandshakeError::Origin,
        HandshakeError::Full,
        HandshakeError::Memory,
        HandshakeError::Draining,
        HandshakeError::AnswerTimeout,
        HandshakeError::Forwarded,
        HandshakeError::AddressFull,
        HandshakeError::AddressRate,
        HandshakeError::Handler(401),
    ];

    #[test]
    fn every_error_response_closes_and_has_a_one_line_explanation() {
        for error in EVERY {
            let response = text(|out| refusal(out, error, false));
            let (status, connection, body) = taken_apart(&response, "connection");
            assert_eq!(status, error.status());
            assert_eq!(
                connection,
                [if status == 426 {
                    "Upgrade, close"
                } else {
                    "close"
                }]
            );
            assert!(
                body.ends_with('\n') && body.lines().count() == 1 && body.len() > 20,
                "{body}"
            );
            assert_eq!(
                taken_apart(&response, "content-length").1,
                [format!("{}", body.len())]
            );
            assert_eq!(
                taken_apart(&response, "content-type").1,
                ["text/plain; charset=utf-8"]
            );
            let only_for = |name: &str, statuses: &[u16], value: &str| {
                let expected: &[&str] = if statuses.contains(&status) {
                    &[value]
                } else {
                    &[]
                };
                assert_eq!(taken_apart(&response, name).1, expected, "{status} {name}");
            };
            only_for("upgrade", &[426], "websocket");
            only_for("sec-websocket-version", &[426], "13");
            only_for("allow", &[405], "GET, HEAD, OPTIONS");
            only_for("retry-after", &[429, 503], "1");
            only_for("date", &[], "");
            only_for("server", &[], "");
            assert_eq!(
                text(|out| refusal(out, error, true)) + &body,
                response,
                "HEAD is GET without the content"
            );
        }
    }

    #[test]
    fn a_status_of_the_application_is_always_an_error() {
        for (made_up, status) in [
            (0, 500),
            (101, 500),
            (200, 500),
            (302, 500),
            (400, 400),
            (418, 418),
            (599, 599),
            (600, 500),
        ] {
            let response = text(|out| refusal(out, HandshakeError::Handler(made_up), false));
            assert_eq!(taken_apart(&response, "").0, status);
        }
    }
}
