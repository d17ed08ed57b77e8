//! Property tests: any division of the input gives the same requests; content compared with a naive
//! decoder of whole buffers; what is encoded is decoded to the same.

use alloc::format;

use proptest::prelude::*;

use super::*;

/// Feeds the input in pieces of these lengths, over and over, and answers each request when it is
/// complete. Returns the events, with data joined, and what was written.
fn served(input: &[u8], pieces: &[usize]) -> (Vec<Seen>, Vec<u8>) {
    let mut http = HttpConnection::new();
    let (mut seen, mut out, mut unread): (Vec<Seen>, Vec<u8>, Vec<u8>) = Default::default();
    let (mut rest, mut lengths) = (input, pieces.iter().cycle());
    loop {
        let mut at = 0;
        loop {
            let (consumed, event) = poll(&mut http, &unread[at..]);
            assert!(consumed <= unread.len() - at);
            at += consumed;
            match (event, seen.last_mut()) {
                (Some(Seen::Data(data)), Some(Seen::Data(before))) => {
                    before.extend_from_slice(&data);
                }
                (Some(Seen::Error(error)), _) => {
                    seen.push(Seen::Error(error));
                    http.refuse(&mut out, error).expect("awaited");
                }
                (Some(event), _) => seen.push(event),
                (None, _) if http.state() == HttpState::Received => answer(&mut http, &mut out),
                (None, _) => break,
            }
        }
        unread.drain(..at);
        if rest.is_empty() {
            break;
        }
        let len = lengths.next().map_or(1, |&len| len.clamp(1, rest.len()));
        unread.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
    }
    if http.state() == HttpState::Upgraded {
        seen.push(Seen::Rest(unread));
    } else if let Err(error) = http.handle_eof(&unread) {
        seen.push(Seen::Error(error));
    }
    (seen, out)
}

fn answer(http: &mut HttpConnection, out: &mut Vec<u8>) {
    if http.exchange.is_connect && http.upgrade().is_ok() {
        return;
    }
    http.write_response(out, 404, &[], b"no").expect("awaited");
}

/// What is nearly a sequence of requests.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(
        &[
            "GET / HTTP/1.1\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\n",
            "HEAD * HTTP/1.0\r\n",
            "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
            "Host: h\r\n",
            "Content-Length: 3\r\n",
            "Content-Length: 65\r\n",
            "Content-Length: +3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Connection: close\r\n",
            "Connection: keep-alive\r\n",
            "Expect: 100-continue\r\n",
            "Expect: x\r\n",
            "\r\n",
            "abc",
            "3\r\nabc\r\n",
            "2;a=\"b\"\r\nab\r\n",
            "0\r\n\r\n",
            "0\r\nA: b\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
        ][..],
    );
    let parts = prop::collection::vec(part, 1..12).prop_map(|parts| parts.concat().into_bytes());
    // With a byte changed, mostly not.
    (parts, any::<prop::sample::Index>(), any::<u8>(), 0..3_u8).prop_map(
        |(mut bytes, at, byte, changed)| {
            if changed == 0 {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..40_usize, 1..6)
}

/// Content, and how it is divided into chunks.
fn content() -> impl Strategy<Value = (Vec<u8>, Option<Vec<usize>>)> {
    (
        prop::collection::vec(any::<u8>(), 0..64),
        prop::option::of(prop::collection::vec(1..20_usize, 1..5)),
    )
}

/// Encodes chunks without the encoder of the crate.
fn chunks(mut content: &[u8], lengths: &[usize]) -> Vec<u8> {
    let (mut out, mut lengths) = (Vec::new(), lengths.iter().cycle());
    while !content.is_empty() {
        let len = lengths.next().map_or(1, |&len| len.clamp(1, content.len()));
        out.extend_from_slice(format!("{len:X}\r\n").as_bytes());
        out.extend_from_slice(&content[..len]);
        out.extend_from_slice(b"\r\n");
        content = &content[len..];
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Decodes chunks that are all there, line by line: the content, and what follows it.
fn naive_dechunk(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::new();
    loop {
        let (line, after) = naive_line(rest)?;
        let digits = line.chars().take_while(char::is_ascii_hexdigit).count();
        let size = usize::from_str_radix(line.get(..digits)?, 16).ok()?;
        if !naive_extensions(&line[digits..]) {
            return None;
        }
        rest = after;
        if size == 0 {
            break;
        }
        content.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        let (line, after) = naive_line(rest)?;
        rest = after;
        if line.is_empty() {
            return Some((content, rest));
        }
        let (name, value) = line.split_once(':')?;
        let is_control = |c: char| c.is_ascii_control() && c != '\t';
        if !crate::proto::http::is_token(name) || value.contains(is_control) {
            return None;
        }
    }
}

/// The line at the start, as characters of one byte each.
fn naive_line(rest: &[u8]) -> Option<(String, &[u8])> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = rest[..end].iter().copied().map(char::from).collect();
    Some((line, &rest[end + 2..]))
}

/// Whether these are extensions, by taking one after the other from the front.
fn naive_extensions(text: &str) -> bool {
    let space: &[char] = &[' ', '\t'];
    let token = |text: &str| {
        let is_token = |c: char| c.is_ascii() && crate::proto::http::is_token_byte(c as u8);
        text.find(|c| !is_token(c)).unwrap_or(text.len())
    };
    let mut rest = text;
    while !rest.is_empty() {
        let Some(name) = rest.trim_start_matches(space).strip_prefix(';') else {
            return false;
        };
        let name = name.trim_start_matches(space);
        let len = token(name);
        if len == 0 {
            return false;
        }
        rest = &name[len..];
        if let Some(value) = rest.trim_start_matches(space).strip_prefix('=') {
            let value = value.trim_start_matches(space);
            let mut escaped = false;
            let len = match value.strip_prefix('"') {
                None => Some(token(value)).filter(|&len| len > 0),
                Some(quoted) => quoted
                    .find(|c| {
                        let ends = c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                        ends
                    })
                    .filter(|&end| {
                        let text = &quoted[..end];
                        !text.contains(|c: char| c.is_ascii_control() && c != '\t')
                    })
                    .map(|end| end + 2),
            };
            let Some(len) = len else { return false };
            rest = &value[len..];
        }
    }
    true
}

/// What is nearly chunked content.
fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(
        &[
            "3",
            "0",
            "0",
            "1",
            "a",
            "00",
            "\r\n",
            "\r\n",
            "\r\n",
            "abc",
            "x",
            "3\r\nabc\r\n",
            "1;a\r\nx\r\n",
            "0\r\n",
            "0\r\n\r\n",
            ";a",
            ";a=b",
            " ;a",
            "; a = \"b;\\\"\"",
            ";",
            "=",
            "\"",
            "\\",
            " ",
            "\t",
            "A: b\r\n",
            ":",
            "+",
            "-",
            "_",
            "\r",
            "\n",
            "\0",
            "\u{e9}",
        ][..],
    );
    prop::collection::vec(part, 1..12).prop_map(|parts| parts.concat().into_bytes())
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

proptest! {
    #[test]
    fn any_division_gives_the_same_requests(input in inputs(), pieces in pieces()) {
        let whole = served(&input, &[input.len()]);
        prop_assert_eq!(served(&input, &[1]), whole.clone());
        prop_assert_eq!(served(&input, &pieces), whole);
    }

    #[test]
    fn what_is_chunked_is_what_a_naive_decoder_says(body in chunked(), pieces in pieces()) {
        let input = [CHUNKED.as_bytes(), &body].concat();
        let (seen, _) = served(&input, &pieces);
        let content: Vec<u8> = match seen.get(1) {
            Some(Seen::Data(data)) => data.clone(),
            _ => Vec::new(),
        };
        let ends = seen.contains(&Seen::End);
        match naive_dechunk(&body) {
            // The bound is larger than any of these.
            Some((expected, _)) => {
                prop_assert!(ends, "{:?}", seen);
                prop_assert_eq!(content, expected);
            }
            None => prop_assert!(!ends, "{:?}", seen),
        }
    }

    #[test]
    fn requests_are_decoded_as_they_were_encoded(
        requests in prop::collection::vec((content(), "[A-Z]{1,8}", "/[!-\"$-~]{0,20}"), 1..5),
        pieces in pieces(),
    ) {
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        for ((content, division), method, target) in &requests {
            prop_assume!(method != "CONNECT");
            let (name, value, body) = match division {
                Some(lengths) => ("transfer-encoding", "Chunked".into(), chunks(content, lengths)),
                None => ("Content-length", format!("{}", content.len()), content.clone()),
            };
            let head = format!("{method} {target} HTTP/1.1\r\nhost:h\r\n{name}: {value}\t\r\n\r\n");
            input.extend_from_slice(head.as_bytes());
            input.extend_from_slice(&body);
            let fields = [("host".into(), b"h".to_vec()), (name.into(), value.into_bytes())];
            expected.push(Seen::Head(
                method.clone(),
                target.clone(),
                1,
                fields.into(),
                true,
                false,
            ));
            if !content.is_empty() {
                expected.push(Seen::Data(content.clone()));
            }
            if division.is_some() || !content.is_empty() {
                expected.push(Seen::End);
            }
        }
        prop_assert_eq!(served(&input, &pieces).0, expected);
    }

    #[test]
    fn responses_are_decoded_as_they_were_encoded(
        status in 200..600_u16,
        value in prop::collection::vec(prop_oneof![Just(b'\t'), 32..127_u8, 128..=255_u8], 0..20),
        (content, division) in content(),
        is_head in any::<bool>(),
        version in 0..2_u8,
    ) {
        prop_assume!(![204, 205, 304].contains(&status));
        let method = if is_head { "HEAD" } else { "GET" };
        let mut http = with(&format!("{method} / HTTP/1.{version}\r\nHost: h\r\n\r\n"));
        let mut out = Vec::new();
        let fields: [(&str, &[u8]); 1] = [("X-A", &value)];
        if let Some(lengths) = &division {
            http.begin_response(&mut out, status, &fields, None).expect("possible");
            let (mut rest, mut lengths) = (&content[..], lengths.iter().cycle());
            while !rest.is_empty() {
                let len = lengths.next().map_or(1, |&len| len.min(rest.len()));
                http.write_body(&mut out, &rest[..len]).expect("begun");
                rest = &rest[len..];
            }
            http.end_response(&mut out).expect("begun");
        } else {
            http.write_response(&mut out, status, &fields, &content).expect("possible");
        }

        let mut fields = [httparse::EMPTY_HEADER; 4];
        let mut head = httparse::Response::new(&mut fields);
        let len = head.parse(&out).expect("well-formed").unwrap();
        prop_assert_eq!((head.version, head.code), (Some(1), Some(status)));
        let named = |name: &str| {
            let mut fields = head.headers.iter();
            fields
                .find(|field| field.name.eq_ignore_ascii_case(name))
                .map(|field| field.value.trim_ascii())
        };
        prop_assert_eq!(named("x-a"), Some(value.trim_ascii()));
        let body = &out[len..];
        let length = named("content-length").map(|value| value.to_vec());
        let is_chunked = named("transfer-encoding") == Some(b"chunked");
        match division {
            None => prop_assert_eq!(length, Some(format!("{}", content.len()).into_bytes())),
            Some(_) => prop_assert_eq!((length, is_chunked), (None, version == 1)),
        }
        if is_head {
            prop_assert!(body.is_empty());
        } else if is_chunked {
            prop_assert_eq!(naive_dechunk(body), Some((content, &[][..])));
        } else {
            prop_assert_eq!(body, &content[..]);
        }
    }
}
