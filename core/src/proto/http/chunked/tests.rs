//! Tests of the chunked decoder: its grammar and its bounds, byte by byte and at once.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::proto::http::HeadLimits;

const LIMITS: HttpLimits = HttpLimits {
    head: HeadLimits {
        bytes: 64,
        fields: 3,
    },
    body: 1_000,
};

type Decoded = Result<Option<(Vec<u8>, usize)>, HandshakeError>;

/// Decodes what arrives in pieces of this length: the content and the length of the body, or `None`
/// if it is incomplete.
fn decode(body: &[u8], piece: usize, limits: &HttpLimits) -> Decoded {
    let (mut reader, mut content, mut read) = (ChunkReader::new(), Vec::new(), 0);
    for part in body.chunks(piece) {
        let mut at = 0;
        while at < part.len() {
            match reader.read(&part[at..], limits)? {
                Chunk::Data { skipped, len } => {
                    content.extend_from_slice(&part[at + skipped..][..len]);
                    at += skipped + len;
                }
                Chunk::End(len) => return Ok(Some((content, read + at + len))),
                Chunk::More => break,
            }
        }
        read += part.len();
    }
    Ok(None)
}

/// Decodes at once, and checks that it is the same in smaller pieces.
fn decoded(body: &str) -> Result<Option<String>, HandshakeError> {
    let whole = decode(body.as_bytes(), body.len().max(1), &LIMITS);
    for piece in 1..body.len() {
        assert_eq!(decode(body.as_bytes(), piece, &LIMITS), whole, "{body:?}");
    }
    whole.map(|decoded| {
        decoded.map(|(content, len)| {
            assert_eq!(len, body.len(), "{body:?}");
            String::from_utf8(content).expect("text")
        })
    })
}

#[test]
fn chunks_are_joined() {
    for (body, content) in [
        ("0\r\n\r\n", ""),
        ("000\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("A\r\n0123456789\r\n00\r\n\r\n", "0123456789"),
        ("000000000000000000003\r\nabc\r\n0\r\n\r\n", "abc"),
        ("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
    ] {
        assert_eq!(decoded(body), Ok(Some(content.into())), "{body:?}");
    }
}

#[test]
fn extensions_and_trailers_are_dropped() {
    for body in [
        "3;a\r\nabc\r\n0\r\n\r\n",
        "3;a=b\r\nabc\r\n0;c\r\n\r\n",
        "3 ;a = b\r\nabc\r\n0\r\n\r\n",
        "3\t; a\t;b=\"x;\\\"\\\\ \t\u{e9}\" ;c\r\nabc\r\n0\r\n\r\n",
        "3;a=\"\"\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nA: b\r\nc:\r\n\r\n",
        "3\r\nabc\r\n0\r\nContent-Length: \t9 \u{e9}\r\n\r\n",
    ] {
        assert_eq!(decoded(body), Ok(Some("abc".into())), "{body:?}");
    }
}

#[test]
fn a_malformed_chunk_is_refused_at_its_first_wrong_byte() {
    for (good, bad) in [
        ("", "\r"),
        ("", "\n"),
        ("", ";"),
        ("", " "),
        ("", "+"),
        ("", "-"),
        ("", "g"),
        ("0", "x"),
        ("0", "_"),
        ("3", "\n"),
        ("3", ","),
        ("3", "h"),
        ("3 ", "\r"),
        ("3 ", "3"),
        ("3\r", "a"),
        ("3\r", "\r"),
        ("3;", "\r"),
        ("3;", ";"),
        ("3;", "="),
        ("3;a", "\n"),
        ("3;a ", "\r"),
        ("3;a=", "\r"),
        ("3;a=b", "\""),
        ("3;a=b ", "\r"),
        ("3;a=\"", "\r"),
        ("3;a=\"", "\n"),
        ("3;a=\"", "\0"),
        ("3;a=\"\\", "\r"),
        ("3;a=\"\"", "a"),
        ("3;a=\"\"", "\n"),
        ("3\r\nabc", "d"),
        ("3\r\nabc", "\n"),
        ("3\r\nabc", "0"),
        ("3\r\nabc\r", "0"),
        ("0\r\n", "\n"),
        ("0\r\n", " "),
        ("0\r\n", ":"),
        ("0\r\n\r", "\r"),
        ("0\r\nA", " "),
        ("0\r\nA", "\r"),
        ("0\r\nA: b", "\n"),
        ("0\r\nA: b", "\0"),
        ("0\r\nA: b", "\x7f"),
        ("0\r\nA: b\r", "a"),
        ("0\r\nA: b\r\n", " "),
        ("0\r\nA: b\r\n\r", "a"),
    ] {
        assert_eq!(decoded(good), Ok(None), "{good:?}");
        let body = format!("{good}{bad}");
        assert_eq!(decoded(&body), Err(HandshakeError::Framing), "{body:?}");
    }
}

#[test]
fn the_content_has_a_bound() {
    let at = format!("3e8\r\n{}\r\n0\r\n\r\n", "x".repeat(1_000));
    assert_eq!(decoded(&at), Ok(Some("x".repeat(1_000))));
    for (within, beyond) in [
        ("3e", "9"),
        ("3e8", "0"),
        ("0000000000000000003e", "9"),
        ("2\r\nab\r\n3e", "7"),
    ] {
        assert_eq!(decoded(within), Ok(None), "{within}");
        let body = format!("{within}{beyond}");
        assert_eq!(decoded(&body), Err(HandshakeError::BodyTooLong), "{body}");
    }
}

#[test]
fn a_size_that_does_not_fit_is_refused() {
    let limits = HttpLimits {
        body: u64::MAX,
        ..LIMITS
    };
    let decode = |body: &str| decode(body.as_bytes(), body.len(), &limits);
    assert_eq!(decode("ffffffffffffffff\r\n"), Ok(None));
    for body in ["10000000000000000", "00ffffffffffffffff0"] {
        assert_eq!(decode(body), Err(HandshakeError::Framing), "{body}");
    }
    // All chunks together do not fit either.
    let both = "1\r\na\r\nffffffffffffffff";
    assert_eq!(decode(both), Err(HandshakeError::BodyTooLong));
}

#[test]
fn dropped_bytes_have_the_bound_of_a_head() {
    let trailer = |len: usize| format!("0\r\nA: {}\r\n\r\n", "x".repeat(len - 5));
    assert_eq!(decoded(&trailer(64)), Ok(Some(String::new())));
    assert_eq!(decoded(&trailer(65)), Err(HandshakeError::HeadTooLong));
    let extensions = "1;x=12345\r\na\r\n".repeat(7);
    assert_eq!(decoded(&extensions), Ok(None));
    assert_eq!(decoded(&format!("{extensions}1;")), Ok(None));
    let more = format!("{extensions}1;x");
    assert_eq!(decoded(&more), Err(HandshakeError::HeadTooLong));
    let zeros = "0".repeat(16 + 64);
    assert_eq!(decoded(&zeros), Ok(None));
    let zeros = format!("{zeros}0");
    assert_eq!(decoded(&zeros), Err(HandshakeError::HeadTooLong));
    let extension = |len: usize| format!("1;{}", "x".repeat(len - 1));
    assert_eq!(decoded(&extension(64)), Ok(None));
    assert_eq!(decoded(&extension(65)), Err(HandshakeError::HeadTooLong));
}

#[test]
fn trailers_have_a_number() {
    let trailers = |n: usize| format!("0\r\n{}\r\n", "a:b\r\n".repeat(n));
    assert_eq!(decoded(&trailers(3)), Ok(Some(String::new())));
    assert_eq!(decoded(&trailers(4)), Err(HandshakeError::TooManyHeaders));
}
