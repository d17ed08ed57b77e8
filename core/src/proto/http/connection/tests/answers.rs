//! What is written: heads, content, and what is refused to the application.

use alloc::borrow::ToOwned;
use alloc::format;

use super::*;

/// Returns what a call has written, and the state after it.
fn written<T>(
    request: &str,
    write: impl FnOnce(&mut HttpConnection, &mut Vec<u8>) -> T,
) -> (String, HttpState, T) {
    let mut http = with(request);
    let mut out = b"before".to_vec();
    let result = write(&mut http, &mut out);
    let text = String::from_utf8(out).expect("text");
    let text = text.strip_prefix("before").expect("appended to");
    (text.to_owned(), http.state(), result)
}

fn response(request: &str, status: u16, body: &str) -> (String, HttpState) {
    let fields: [(&str, &[u8]); 2] = [("Date", b"now"), ("X-A", b"b")];
    let (text, state, result) = written(request, |http, out| {
        http.write_response(out, status, &fields, body.as_bytes())
    });
    assert_eq!(result, Ok(()));
    (text, state)
}

/// Writes a response of unknown length in these pieces.
fn stream(request: &str, pieces: &[&str]) -> (String, HttpState) {
    let (text, state, result) = written(request, |http, out| {
        http.begin_response(out, 200, &[], None)?;
        for piece in pieces {
            http.write_body(out, piece.as_bytes())?;
        }
        http.end_response(out)
    });
    assert_eq!(result, Ok(()));
    (text, state)
}

const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
const OLD: &str = "GET / HTTP/1.0\r\n\r\n";
const OLD_KEPT: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

#[test]
fn a_whole_response_has_its_length() {
    let head = "HTTP/1.1 200 OK\r\nDate: now\r\nX-A: b\r\nContent-Length: 2\r\n\r\n";
    let kept = (format!("{head}ok"), HttpState::Idle);
    assert_eq!(response(GET, 200, "ok"), kept);
    assert_eq!(response(&format!("{POST}abc"), 200, "ok"), kept);
    let empty = head.replace(": 2", ": 0");
    assert_eq!(response(GET, 200, ""), (empty, HttpState::Idle));
    let rare = "HTTP/1.1 299 \r\nDate: now\r\nX-A: b\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(response(GET, 299, "").0, rare);
}

#[test]
fn a_response_says_whether_the_connection_ends() {
    let with_option = |option: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nConnection: {option}\r\nDate: now\r\nX-A: b\r\n\
             Content-Length: 2\r\n\r\nok"
        )
    };
    let kept = (with_option("keep-alive"), HttpState::Idle);
    assert_eq!(response(OLD_KEPT, 200, "ok"), kept);
    let closed = (with_option("close"), HttpState::Closed);
    for request in [OLD, LAST, POST, "nonsense\r\n"] {
        assert_eq!(response(request, 200, "ok"), closed, "{request:?}");
    }
}

#[test]
fn the_response_to_head_is_that_to_get_without_content() {
    let whole = response(GET, 200, "ok").0;
    assert_eq!(
        response(HEAD, 200, "ok"),
        (whole.replace("\r\n\r\nok", "\r\n\r\n"), HttpState::Idle)
    );
    let chunked = stream(GET, &[]).0;
    let head = chunked
        .strip_suffix("0\r\n\r\n")
        .expect("chunked")
        .to_owned();
    assert_eq!(stream(HEAD, &["abc"]), (head, HttpState::Idle));
    let announced = |request| {
        written(request, |http, out| {
            http.begin_response(out, 200, &[], Some(9))?;
            http.write_body(out, b"abc")?;
            http.end_response(out)
        })
    };
    let (text, state, result) = announced(HEAD);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    assert_eq!((state, result), (HttpState::Idle, Ok(())));
    // For GET it is too short.
    let (_, state, result) = announced(GET);
    assert_eq!(
        (state, result),
        (HttpState::Closed, Err(AnswerError::Length))
    );
}

#[test]
fn a_response_of_unknown_length_is_chunked_or_ends_with_the_connection() {
    let pieces = ["abc", "", "0123456789abcdef"];
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
    assert_eq!(stream(GET, &pieces), (chunked.into(), HttpState::Idle));
    let plain = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc0123456789abcdef";
    // Of the last the version is not known.
    for request in [OLD, OLD_KEPT, "nonsense\r\n"] {
        assert_eq!(stream(request, &pieces), (plain.into(), HttpState::Closed));
    }
}

#[test]
fn an_announced_length_is_kept_to() {
    let mut http = with(GET);
    let mut out = Vec::new();
    assert_eq!(http.begin_response(&mut out, 200, &[], Some(5)), Ok(()));
    assert_eq!(http.write_body(&mut out, b"abc"), Ok(()));
    let before = out.clone();
    assert_eq!(http.write_body(&mut out, b"def"), Err(AnswerError::Length));
    assert_eq!(out, before);
    assert_eq!(http.write_body(&mut out, b"de"), Ok(()));
    assert_eq!(http.end_response(&mut out), Ok(()));
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
    assert_eq!(http.state(), HttpState::Idle);
}

#[test]
fn some_statuses_have_no_content() {
    for (status, lines) in [
        (204, "204 No Content\r\n"),
        (304, "304 Not Modified\r\n"),
        (205, "205 \r\nContent-Length: 0\r\n"),
    ] {
        let (text, state, result) =
            written(GET, |http, out| http.write_response(out, status, &[], b"x"));
        assert_eq!((&text[..], state), ("", HttpState::Received));
        assert_eq!(result, Err(AnswerError::Content));
        for length in [None, Some(0)] {
            let (text, state, result) = written(GET, |http, out| {
                http.begin_response(out, status, &[], length)?;
                assert_eq!(http.write_body(out, b"x"), Err(AnswerError::Length));
                http.end_response(out)
            });
            assert_eq!(text, format!("HTTP/1.1 {lines}\r\n"));
            assert_eq!((state, result), (HttpState::Idle, Ok(())));
        }
    }
}

#[test]
fn an_impossible_response_changes_nothing() {
    let attempt = |request: &str, status: u16, field: (&str, &[u8])| {
        let (text, state, result) = written(request, |http, out| {
            let written = http.write_response(out, status, &[field], b"");
            assert_eq!(http.begin_response(out, status, &[field], None), written);
            written
        });
        assert_eq!((&text[..], state), ("", HttpState::Received));
        result.expect_err("refused")
    };
    for status in [0, 100, 101, 199, 600, 999] {
        assert_eq!(attempt(GET, status, ("a", b"")), AnswerError::Status);
    }
    let connect = "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n";
    assert_eq!(attempt(connect, 200, ("a", b"")), AnswerError::Status);
    assert_eq!(response(connect, 405, "no").1, HttpState::Idle);
    let injected = attempt(GET, 200, ("a", b"b\r\nSet-Cookie: c"));
    assert_eq!(injected, AnswerError::FieldValue);
    assert_eq!(
        attempt(GET, 200, ("a: b\r\nc", b"")),
        AnswerError::FieldName
    );
    let length = attempt(GET, 200, ("content-length", b"9"));
    assert_eq!(length, AnswerError::FieldReserved);
}

#[test]
fn the_client_is_told_to_continue_once_and_only_if_it_waits() {
    let waiting = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let (text, state, told) = written(waiting, |http, out| {
        [http.write_continue(out), http.write_continue(out)]
    });
    assert_eq!(text, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!((state, told), (HttpState::Receiving, [true, false]));
    for request in [format!("{waiting}a"), POST.into(), GET.into()] {
        let (text, _, told) = written(&request, |http, out| http.write_continue(out));
        assert_eq!((&text[..], told), ("", false), "{request}");
    }
    // A final response instead: the content will not be read.
    let (text, state) = response(waiting, 403, "no");
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    assert_eq!(state, HttpState::Closed);
}

#[test]
fn a_refusal_ends_the_connection() {
    let refusal = |request: &str, error| {
        let (text, state, result) = written(request, |http, out| http.refuse(out, error));
        assert_eq!(result, Ok(()));
        (text.contains("close\r\n"), state)
    };
    let closed = (true, HttpState::Closed);
    assert_eq!(refusal(GET, HandshakeError::NotFound), closed);
    assert_eq!(refusal(GET, HandshakeError::Version), closed);
    assert_eq!(refusal(GET, HandshakeError::Draining), closed);
    assert_eq!(refusal(LAST, HandshakeError::NotFound), closed);
    assert_eq!(refusal(POST, HandshakeError::NotFound), closed);
    assert_eq!(refusal("", HandshakeError::Timeout), closed);
    assert_eq!(refusal("GET (", HandshakeError::Malformed), closed);
    let body = |request: &str| {
        let (text, ..) = written(request, |http, out| {
            http.refuse(out, HandshakeError::BodyTooLong)
        });
        text.split_once("\r\n\r\n").expect("a head").1.len()
    };
    let long = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65\r\n\r\n";
    assert!(body(long) > 0);
    assert_eq!(body(&long.replace("POST", "HEAD")), 0);
}

#[test]
fn responses_come_in_the_order_of_requests() {
    let mut http = with(&format!("{GET}{GET}"));
    let mut out = Vec::new();
    assert_eq!(http.write_response(&mut out, 200, &[], b"1"), Ok(()));
    let again = http.write_response(&mut out, 200, &[], b"2");
    assert_eq!(again, Err(AnswerError::State), "its request is not read");
    assert_eq!(read(&mut http, GET.as_bytes()).1, GET.len());
    assert_eq!(http.write_response(&mut out, 200, &[], b"2"), Ok(()));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(out, format!("{head}1{head}2").as_bytes());
}
