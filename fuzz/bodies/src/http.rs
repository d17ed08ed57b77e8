//! Fuzzes the server side of an HTTP/1.1 connection: the same requests and responses however the
//! bytes are cut, never more consumed than given, never more content than the limit, and of content
//! what a decoder of whole buffers says.

use stentor_core::proto::http::HandshakeError;
use stentor_core::testing::handshake::{
    Fields, HeadLimits, HttpConnection, HttpEvent, HttpLimits, HttpState,
};

/// One request, with all its content.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Exchange {
    /// The bytes of its head.
    head: Vec<u8>,
    chunked: bool,
    body: Vec<u8>,
    /// What stood between its head and its end.
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Outcome {
    whole: Vec<Exchange>,
    error: Option<HandshakeError>,
    state: HttpState,
    /// All responses.
    written: Vec<u8>,
}

/// Small limits, so that inputs reach them.
const LIMITS: HttpLimits = HttpLimits {
    head: HeadLimits {
        bytes: 512,
        fields: 12,
    },
    body: 300,
};

/// Any bytes as a connection.
///
/// # Panics
/// If a result depends on how the bytes are cut, more is consumed than given or content exceeds its
/// limit, or content is not what stands in the input.
pub fn http(data: &[u8]) {
    let data = &data[..data.len().min(4_096)];
    let whole = serve(data, |_| data.len());
    assert_eq!(serve(data, |_| 1), whole, "byte by byte");
    // Cuts that the input itself decides on.
    let seed = data.iter().fold(7_usize, |hash, &byte| {
        hash.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    assert_eq!(serve(data, |at| (seed >> (at % 16)) % 64 + 1), whole);
    for exchange in &whole.whole {
        check(exchange);
    }
}

/// Serves the bytes, in pieces whose lengths `cut` says, and then the stream ends.
fn serve(data: &[u8], cut: impl Fn(usize) -> usize) -> Outcome {
    let mut http = HttpConnection::new();
    let (mut whole, mut error, mut written) = (Vec::new(), None, Vec::new());
    let mut current: Option<Exchange> = None;
    // Where the unread bytes begin, and where the received ones end.
    let (mut begin, mut end) = (0, 0);
    loop {
        loop {
            let unread = &data[begin..end];
            let mut fields = Fields::new();
            let before = http.state();
            let step = match http.poll_event(unread, &mut fields, &LIMITS) {
                Ok(step) => step,
                Err(found) => {
                    assert_eq!(error.replace(found), None, "the first error is the last");
                    assert_eq!(http.state(), HttpState::Failed);
                    http.refuse(&mut written, found).expect("awaited");
                    continue;
                }
            };
            assert!(step.consumed <= unread.len());
            let consumed = &unread[..step.consumed];
            begin += step.consumed;
            match (&step.event, &mut current) {
                (Some(HttpEvent::Head(head)), _) => {
                    assert_eq!(before, HttpState::Idle);
                    assert!(consumed.len() <= LIMITS.head.bytes);
                    assert!(head.content_length().unwrap_or(0) <= LIMITS.body);
                    assert!(head.request().fields().count() <= LIMITS.head.fields);
                    assert!(!head.expects_continue() || head.has_content());
                    current = Some(Exchange {
                        head: consumed.into(),
                        chunked: head.content_length().is_none(),
                        body: Vec::new(),
                        raw: Vec::new(),
                    });
                }
                (event, Some(exchange)) => {
                    if let Some(HttpEvent::Data(data)) = event {
                        assert!(!data.is_empty());
                        // Handed out where it lies.
                        assert!(consumed.as_ptr_range().contains(&data.as_ptr()));
                        exchange.body.extend_from_slice(data);
                        assert!(exchange.body.len() as u64 <= LIMITS.body);
                    }
                    exchange.raw.extend_from_slice(consumed);
                }
                _ => {}
            }
            match (http.state(), step.event) {
                (HttpState::Received, _) => {
                    whole.extend(current.take());
                    let streams = whole.len() % 2 == 0;
                    answer(&mut http, &mut written, streams);
                }
                (_, None) => break,
                _ => {}
            }
        }
        if end == data.len() {
            break;
        }
        end = data.len().min(end + cut(end).max(1));
    }
    if let Err(found) = http.handle_eof(&data[begin..]) {
        assert_eq!(error.replace(found), None, "the first error is the last");
    }
    Outcome {
        whole,
        error,
        state: http.state(),
        written,
    }
}

fn answer(http: &mut HttpConnection, out: &mut Vec<u8>, streams: bool) {
    let fields: [(&str, &[u8]); 1] = [("X-A", b"b")];
    if streams {
        http.begin_response(out, 404, &fields, None)
            .expect("awaited");
        http.write_body(out, b"piece").expect("begun");
        http.end_response(out).expect("begun");
    } else {
        http.write_response(out, 404, &fields, b"whole")
            .expect("awaited");
    }
    assert!(matches!(http.state(), HttpState::Idle | HttpState::Closed));
}

/// Reads the content once more, from its whole bytes.
fn check(exchange: &Exchange) {
    let head: String = exchange.head.iter().copied().map(char::from).collect();
    let lines = || head.trim_start_matches("\r\n").split("\r\n").skip(1);
    let named = |name: &str| -> Vec<&str> {
        lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(line, _)| line.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_matches([' ', '\t']))
            .collect()
    };
    let (lengths, codings) = (named("content-length"), named("transfer-encoding"));
    let hosts = named("host").len();
    assert!(hosts == 1 || hosts == 0 && head.contains(" HTTP/1.0\r\n"));
    if exchange.chunked {
        assert!(lengths.is_empty(), "both: {head:?}");
        assert_eq!(codings.len(), 1);
        assert!(codings[0].eq_ignore_ascii_case("chunked"));
        assert_eq!(dechunk(&exchange.raw), exchange.body);
    } else {
        assert!(codings.is_empty() && lengths.len() < 2, "{head:?}");
        let length = lengths.first().map_or(0, |length| {
            assert!(length.bytes().all(|byte| byte.is_ascii_digit()));
            length.parse().expect("a number")
        });
        assert_eq!(exchange.body.len(), length);
        assert_eq!(exchange.raw, exchange.body);
    }
}

/// Decodes chunks, line by line, up to the end of the buffer.
fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let line = take_line(&mut rest);
        let size = line.split([';', ' ', '\t']).next().expect("a part");
        assert!(size.bytes().all(|byte| byte.is_ascii_hexdigit()), "{size}");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            break;
        }
        content.extend_from_slice(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").expect("a line end");
    }
    let mut dropped = 0;
    loop {
        let line = take_line(&mut rest);
        if line.is_empty() {
            break;
        }
        dropped += line.len() + 2;
        assert!(dropped <= LIMITS.head.bytes);
        let (name, _) = line.split_once(':').expect("a field");
        assert!(!name.is_empty() && !name.contains([' ', '\t']), "{name}");
    }
    assert!(rest.is_empty(), "the end is the end");
    content
}

/// Takes a line, which has no control characters but tabs.
fn take_line(rest: &mut &[u8]) -> String {
    let end = rest.windows(2).position(|pair| pair == b"\r\n");
    let end = end.expect("a whole line");
    let line: String = rest[..end].iter().copied().map(char::from).collect();
    assert!(!line.contains(|c: char| c.is_ascii_control() && c != '\t'));
    *rest = &rest[end + 2..];
    line
}
