//! Length of the content of a request (RFC 9112 §6): `Content-Length`, `Transfer-Encoding`, and what
//! is refused because two recipients could see two different ends.

use crate::proto::http::error::HandshakeError;
use crate::proto::http::request::Request;

/// How the content of a request is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// This number of bytes.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked,
}

impl Framing {
    /// Returns how the content of a request is delimited. Without either field it is empty.
    ///
    /// # Errors
    /// [`Framing`](HandshakeError::Framing), [`TransferCoding`](HandshakeError::TransferCoding).
    pub(crate) fn of(request: &Request<'_>) -> Result<Self, HandshakeError> {
        let mut lengths = request.header("content-length");
        let mut codings = request.header("transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Self::Length(0)),
            // Repeated lengths are refused even if they are the same, as RFC 9110 §8.6 allows: no
            // client sends them, and an intermediary that joins lines is one more recipient.
            (Some(length), None) if lengths.next().is_none() => {
                let length = content_length(length).ok_or(HandshakeError::Framing)?;
                Ok(Self::Length(length))
            }
            //= rfc9112#section-6.1 "A server or client that receives an HTTP/1.0 message..."
            (None, Some(coding)) if codings.next().is_none() && request.minor_version() > 0 => {
                transfer_coding(coding).map(|()| Self::Chunked)
            }
            //= rfc9112#section-6.1 "A server MAY reject a request that contains both..."
            _ => Err(HandshakeError::Framing),
        }
    }
}

/// Parses one decimal number: no sign, no list, no more than fits.
//= rfc9112#section-6.3 "If a message is received without Transfer-Encoding and with an invalid..."
fn content_length(value: &[u8]) -> Option<u64> {
    let digits = core::str::from_utf8(value).ok()?;
    // The parser of the standard library accepts a sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// Accepts `chunked` alone. Its name is case-insensitive (RFC 9112 §7).
fn transfer_coding(value: &[u8]) -> Result<(), HandshakeError> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(());
    }
    let mut codings = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let last = codings.next_back().unwrap_or_default();
    // An empty element, or `chunked` before the end, is as unclear as no `chunked` at the end.
    if is_chunked(last) && codings.all(|coding| !coding.is_empty() && !is_chunked(coding)) {
        return Err(HandshakeError::TransferCoding);
    }
    //= rfc9112#section-6.3 "If a Transfer-Encoding header field is present in a request and the..."
    //= rfc9112#section-7.1 "The chunked coding does not define any parameters. Their presence..."
    Err(HandshakeError::Framing)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::proto::http::{Fields, HeadLimits};

    fn framing(version: u8, lines: &str) -> Result<Framing, HandshakeError> {
        let head = format!("POST / HTTP/1.{version}\r\n{lines}\r\n");
        let mut fields = Fields::new();
        let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default());
        let (request, _) = parsed.expect("well-formed").expect("whole");
        Framing::of(&request)
    }

    #[test]
    fn a_content_length_is_one_number() {
        for (value, length) in [
            ("0", 0),
            ("00", 0),
            ("5", 5),
            ("0042", 42),
            (" \t7 \t", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            let lines = format!("Content-Length:{value}\r\n");
            for version in [0, 1] {
                assert_eq!(
                    framing(version, &lines),
                    Ok(Framing::Length(length)),
                    "{value}"
                );
            }
        }
        assert_eq!(framing(1, ""), Ok(Framing::Length(0)));
        for value in [
            "",
            " ",
            "+5",
            "-5",
            "-0",
            "5 5",
            "5,5",
            "5, 5",
            "5,6",
            ",5",
            "5,",
            "0x5",
            "5_0",
            "5.0",
            "five",
            "5;a",
            "\u{665}",
            "18446744073709551616",
            "99999999999999999999999999",
        ] {
            let lines = format!("Content-Length: {value}\r\n");
            assert_eq!(framing(1, &lines), Err(HandshakeError::Framing), "{value}");
        }
    }

    #[test]
    fn a_repeated_length_is_refused() {
        for lines in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\ncontent-length: 5\r\n",
            "Content-Length: 5\r\nContent-Length:\r\n",
        ] {
            assert_eq!(framing(1, lines), Err(HandshakeError::Framing), "{lines}");
        }
    }

    #[test]
    fn only_chunked_alone_is_a_transfer_coding() {
        for value in ["chunked", "Chunked", "\tCHUNKED "] {
            let lines = format!("Transfer-Encoding:{value}\r\n");
            assert_eq!(framing(1, &lines), Ok(Framing::Chunked), "{value}");
        }
        for value in ["gzip, chunked", "gzip,deflate,chunked", "x;a=b, chunked"] {
            let lines = format!("Transfer-Encoding: {value}\r\n");
            let unknown = Err(HandshakeError::TransferCoding);
            assert_eq!(framing(1, &lines), unknown, "{value}");
        }
        for value in [
            "",
            "identity",
            "gzip",
            "xchunked",
            "chunkedx",
            "\"chunked\"",
            "chunked;a=b",
            "chunked, gzip",
            "chunked, identity",
            "chunked, chunked",
            "chunked,",
            ",chunked",
        ] {
            let lines = format!("Transfer-Encoding: {value}\r\n");
            assert_eq!(framing(1, &lines), Err(HandshakeError::Framing), "{value}");
        }
    }

    #[test]
    fn a_transfer_coding_stands_alone_and_in_http_1_1() {
        let chunked = "Transfer-Encoding: chunked\r\n";
        assert_eq!(framing(0, chunked), Err(HandshakeError::Framing));
        for more in [
            "Content-Length: 5\r\n",
            "Content-Length: 0\r\n",
            "Content-Length: x\r\n",
            chunked,
            "Transfer-Encoding: identity\r\n",
        ] {
            for lines in [format!("{chunked}{more}"), format!("{more}{chunked}")] {
                assert_eq!(framing(1, &lines), Err(HandshakeError::Framing), "{lines}");
            }
        }
    }
}
