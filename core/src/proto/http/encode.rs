//! Encoder of response heads and of chunks (RFC 9112 §4, §5, §7.1).
//!
//! Does not decide which fields a response has.

use alloc::vec::Vec;
use core::fmt;

use crate::proto::http::chunked::is_text;
use crate::proto::http::token::is_token;

/// A mistake of the application in a response. Nothing has been written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AnswerError {
    /// No request waits for this: it is answered already, or another step comes first.
    State,
    /// A status that is not final (200 to 599), or 2xx for CONNECT, which asks for a tunnel.
    Status,
    /// A field name that is not a token (RFC 9110 §5.1).
    FieldName,
    /// A field value with a control character, which could begin another line (RFC 9110 §5.5).
    FieldValue,
    /// A field that the connection writes itself: `Connection`, `Content-Length`, `Keep-Alive`,
    /// `Transfer-Encoding`, `Upgrade`.
    FieldReserved,
    /// Content with a status that has none: 204, 205 or 304.
    Content,
    /// More content than announced, or, at the end, less.
    Length,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "no request waits for this",
            Self::Status => "not a final status, or 2xx for CONNECT",
            Self::FieldName => "a field name that is not a token",
            Self::FieldValue => "a field value with control characters",
            Self::FieldReserved => "a field that the connection writes itself",
            Self::Content => "content with a status that has none",
            Self::Length => "another length of content than announced",
        })
    }
}

impl core::error::Error for AnswerError {}

/// What a response says of the connection after it (RFC 9112 §9.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Persistence {
    /// It is kept, as HTTP/1.1 does without saying so.
    Kept,
    /// It is kept, which HTTP/1.0 has to be told.
    KeptForHttp10,
    /// It ends.
    Close,
}

/// Appends a status line. The space before the reason is there even if there is none (RFC 9112 §4).
pub(crate) fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(decimal(status.into(), &mut [0; 20]));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a field line, unchecked.
pub(crate) fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the field `Connection` with this other option, if either is needed.
pub(crate) fn connection(out: &mut Vec<u8>, persistence: Persistence, other: Option<&str>) {
    let option = match persistence {
        Persistence::Kept => None,
        Persistence::KeptForHttp10 => Some("keep-alive"),
        Persistence::Close => Some("close"),
    };
    match (other, option) {
        (None, None) => {}
        (Some(value), None) | (None, Some(value)) => field(out, "Connection", value.as_bytes()),
        (Some(other), Some(option)) => {
            out.extend_from_slice(b"Connection: ");
            out.extend_from_slice(other.as_bytes());
            out.extend_from_slice(b", ");
            out.extend_from_slice(option.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends the field `Content-Length`.
pub(crate) fn content_length(out: &mut Vec<u8>, length: u64) {
    field(out, "Content-Length", decimal(length, &mut [0; 20]));
}

/// Appends a chunk. An empty one would end the content, so nothing is appended for it.
pub(crate) fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let mut digits = [0; 16];
    let (mut at, mut rest) = (digits.len(), data.len());
    while rest > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of chunked content.
pub(crate) fn last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Checks the fields of an application.
pub(crate) fn check_fields(fields: &[(&str, &[u8])]) -> Result<(), AnswerError> {
    for (name, value) in fields {
        if !is_token(name) {
            return Err(AnswerError::FieldName);
        }
        if RESERVED
            .iter()
            .any(|field| name.eq_ignore_ascii_case(field))
        {
            return Err(AnswerError::FieldReserved);
        }
        if !value.iter().all(|&byte| is_text(byte)) {
            return Err(AnswerError::FieldValue);
        }
    }
    Ok(())
}

/// Returns the reason phrase of a status. Clients ignore it (RFC 9112 §4), so rare statuses have
/// none.
const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

const RESERVED: [&str; 5] = [
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_chunks_are_hexadecimal() {
        for (len, size) in [
            (1, "1"),
            (15, "f"),
            (16, "10"),
            (255, "ff"),
            (4_096, "1000"),
        ] {
            let (mut out, data) = (Vec::new(), alloc::vec![b'x'; len]);
            chunk(&mut out, &data);
            let expected = [size.as_bytes(), b"\r\n", &data, b"\r\n"].concat();
            assert_eq!(out, expected);
        }
        let mut out = Vec::new();
        chunk(&mut out, b"");
        assert!(out.is_empty(), "an empty chunk is the last");
    }

    #[test]
    fn an_injected_line_is_refused() {
        let check = |name: &str, value: &str| check_fields(&[(name, value.as_bytes())]);
        for (name, value) in [("X-A", ""), ("a", "\t b \u{e9}"), ("!#", "\"c\"")] {
            assert_eq!(check(name, value), Ok(()), "{name}: {value}");
        }
        for name in ["", "a b", "a:", "a\r\nb", "\u{e9}", "a\0"] {
            assert_eq!(check(name, "v"), Err(AnswerError::FieldName), "{name:?}");
        }
        for value in ["\r\nX: y", "a\rb", "a\nb", "\0", "\u{b}", "\u{7f}"] {
            assert_eq!(check("a", value), Err(AnswerError::FieldValue), "{value:?}");
        }
        for name in RESERVED.iter().chain(&["Content-LENGTH", "Connection"]) {
            assert_eq!(check(name, "v"), Err(AnswerError::FieldReserved), "{name}");
        }
    }
}
