//! What is read: heads, content, errors, and what is left to others.

use alloc::format;
use alloc::vec;

use super::*;

fn head(
    method: &str,
    target: &str,
    version: u8,
    fields: &[(&str, &str)],
    keep: bool,
    waits: bool,
) -> Seen {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).into(), value.as_bytes().into()));
    Seen::Head(
        method.into(),
        target.into(),
        version,
        fields.collect(),
        keep,
        waits,
    )
}

/// Returns the only event, and the state after it.
fn only(input: &str) -> (Option<Seen>, HttpState) {
    let mut http = HttpConnection::new();
    let (mut events, _) = read(&mut http, input.as_bytes());
    assert!(events.len() <= 1, "{events:?}");
    (events.pop(), http.state())
}

fn error(lines: &str) -> HandshakeError {
    let input = format!("POST / HTTP/1.1\r\n{lines}\r\n");
    match only(&input) {
        (Some(Seen::Error(error)), HttpState::Failed) => error,
        other => panic!("{other:?} of {input:?}"),
    }
}

#[test]
fn content_by_length_comes_as_it_arrives() {
    let mut http = HttpConnection::new();
    let (events, consumed) = read(&mut http, format!("{POST}ab").as_bytes());
    let fields = [("Host", "h"), ("Content-Length", "3")];
    assert_eq!(consumed, POST.len() + 2);
    assert_eq!(
        events,
        [
            head("POST", "/a?b", 1, &fields, true, false),
            Seen::Data(b"ab".into())
        ]
    );
    assert_eq!(http.state(), HttpState::Receiving);
    let (events, consumed) = read(&mut http, b"cGET /");
    assert_eq!(consumed, 1, "the next request waits");
    assert_eq!(events, [Seen::Data(b"c".into()), Seen::End]);
    assert_eq!(http.state(), HttpState::Received);
}

#[test]
fn chunked_content_comes_decoded() {
    let mut http = HttpConnection::new();
    let request = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\n";
    let (events, consumed) = read(&mut http, format!("{request}GET").as_bytes());
    assert_eq!(consumed, request.len());
    assert_eq!(
        events[1..],
        [
            Seen::Data(b"abc".into()),
            Seen::Data(b"de".into()),
            Seen::End
        ]
    );
}

#[test]
fn a_request_without_content_has_no_end() {
    for lines in ["", "Content-Length: 0\r\n", "Expect: 100-continue\r\n"] {
        let request = GET.replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
        let mut http = HttpConnection::new();
        let (events, _) = read(&mut http, request.as_bytes());
        assert!(matches!(&events[..], [Seen::Head(.., true, false)]));
        assert_eq!(http.state(), HttpState::Received);
    }
}

#[test]
fn pipelined_requests_are_handed_out_one_after_the_answer_to_the_other() {
    let input = format!("{GET}{POST}abc\r\n{GET}");
    let (mut http, mut at, mut out) = (HttpConnection::new(), 0, Vec::new());
    for len in [GET.len(), POST.len() + 3, GET.len() + 2] {
        let (events, consumed) = read(&mut http, &input.as_bytes()[at..]);
        assert!(matches!(events[0], Seen::Head(..)));
        assert_eq!(consumed, len);
        at += consumed;
        assert_eq!(poll(&mut http, &input.as_bytes()[at..]), (0, None));
        http.begin_response(&mut out, 200, &[], None)
            .expect("awaited");
        assert_eq!(poll(&mut http, &input.as_bytes()[at..]), (0, None));
        http.end_response(&mut out).expect("begun");
    }
    assert_eq!(at, input.len());
}

#[test]
fn the_connection_is_kept_as_version_and_options_say() {
    for (version, lines, keep) in [
        (1, "", true),
        (1, "Connection: keep-alive\r\n", true),
        (1, "Connection: Close\r\n", false),
        (1, "Connection: keep-alive, close\r\n", false),
        (1, "Connection: Upgrade\r\nConnection: x,close\r\n", false),
        (1, "Connection: closed\r\n", true),
        (0, "", false),
        (0, "Connection: Keep-Alive\r\n", true),
        (0, "Connection: x, keep-alive\r\n", true),
        (0, "Connection: keep-alive, close\r\n", false),
    ] {
        let input = format!("GET / HTTP/1.{version}\r\nHost: h\r\n{lines}\r\n");
        match only(&input).0 {
            Some(Seen::Head(.., kept, _)) => assert_eq!(kept, keep, "{input:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn only_the_expectation_100_continue_can_be_met() {
    let waits = |version: u8, lines: &str| {
        let input =
            format!("POST / HTTP/1.{version}\r\nHost: h\r\nContent-Length: 1\r\n{lines}\r\n");
        match only(&input).0 {
            Some(Seen::Head(.., waits)) => Ok(waits),
            Some(Seen::Error(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(waits(1, ""), Ok(false));
    assert_eq!(waits(1, "Expect: 100-Continue\r\n"), Ok(true));
    assert_eq!(waits(1, "Expect: 100-continue, 100-continue\r\n"), Ok(true));
    assert_eq!(waits(0, "Expect: 100-continue\r\n"), Ok(false));
    assert_eq!(waits(0, "Expect: x\r\n"), Ok(false));
    for other in ["x", "100", "100-continue, x", "100-continue;a=b"] {
        let lines = format!("Expect: {other}\r\n");
        assert_eq!(waits(1, &lines), Err(HandshakeError::Expectation));
    }
}

#[test]
fn a_request_has_one_valid_host() {
    for lines in [
        "",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: h\r\nHost: h\r\n",
        "Host: u@h\r\n",
    ] {
        assert_eq!(error(lines), HandshakeError::Host, "{lines:?}");
    }
    assert!(matches!(
        only("GET / HTTP/1.0\r\n\r\n").0,
        Some(Seen::Head(..))
    ));
}

#[test]
fn content_over_the_limit_is_refused_with_its_head() {
    let lines = |length: u64| format!("Host: h\r\nContent-Length: {length}\r\n");
    assert_eq!(error(&lines(65)), HandshakeError::BodyTooLong);
    assert_eq!(error(&lines(u64::MAX)), HandshakeError::BodyTooLong);
    let at = format!("POST / HTTP/1.1\r\n{}\r\n{}", lines(64), "x".repeat(64));
    let mut http = HttpConnection::new();
    let (events, _) = read(&mut http, at.as_bytes());
    assert_eq!(events[1..], [Seen::Data(vec![b'x'; 64]), Seen::End]);
}

#[test]
fn an_ambiguous_length_is_refused_with_its_head() {
    let two = "Host: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(error(two), HandshakeError::Framing);
    let unknown = "Host: h\r\nTransfer-Encoding: gzip, chunked\r\n";
    assert_eq!(error(unknown), HandshakeError::TransferCoding);
}

#[test]
fn input_after_an_error_is_ignored() {
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for violation in ["3\r\nabcd", "+3", "41", "3\r\nabc\r\n0\r\n:"] {
        let mut http = with(chunked);
        let (events, _) = read(&mut http, violation.as_bytes());
        assert!(matches!(events.last(), Some(Seen::Error(_))));
        assert_eq!(read(&mut http, GET.as_bytes()), (vec![], GET.len()));
        let mut out = Vec::new();
        http.refuse(&mut out, HandshakeError::Framing)
            .expect("awaited");
        assert_eq!(http.state(), HttpState::Closed);
        assert_eq!(read(&mut http, GET.as_bytes()), (vec![], GET.len()));
    }
}

#[test]
fn what_follows_an_upgrade_is_not_touched() {
    let request =
        "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let input = [request.as_bytes(), b"\x81\x80\0\0\0\0GET / HTTP"].concat();
    let mut http = HttpConnection::new();
    let (events, consumed) = read(&mut http, &input);
    assert!(matches!(&events[..], [Seen::Head(..)]));
    assert_eq!(consumed, request.len());
    assert_eq!(http.upgrade(), Ok(()));
    assert_eq!(read(&mut http, &input[consumed..]), (vec![], 0));
    // A client of HTTP/1.0 knows no upgrade, and content is still HTTP.
    let mut old = with(&request.replace("1.1", "1.0"));
    assert_eq!(old.upgrade(), Err(AnswerError::State));
    assert_eq!(with(POST).upgrade(), Err(AnswerError::State));
}

#[test]
fn options_of_the_server_is_a_request() {
    let (event, _) = only("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    let expected = head("OPTIONS", "*", 1, &[("Host", "h")], true, false);
    assert_eq!(event, Some(expected));
}
