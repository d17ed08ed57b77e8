//! The table in the module's documentation, cell by cell.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;

const SOURCE: &str = include_str!("../../connection.rs");

/// Returns a connection in the state of this name.
fn in_state(name: &str) -> HttpConnection {
    let mut http = match name {
        "Idle" => HttpConnection::new(),
        "Receiving" => with(POST),
        "Failed" => with("nonsense\r\n"),
        _ => with(GET),
    };
    let done = match name {
        "Answering" => http.begin_response(&mut Vec::new(), 200, &[], None),
        "Upgraded" => http.upgrade(),
        "Closed" => {
            http.close();
            http.write_response(&mut Vec::new(), 200, &[], b"")
        }
        _ => Ok(()),
    };
    done.expect("possible");
    assert_eq!(format!("{:?}", http.state()), name);
    http
}

/// Returns what a cell should say of an event in a state; `None` for an event that cannot occur.
fn cell(event: &str, state: &str) -> Option<String> {
    let mut http = in_state(state);
    let mut out = Vec::new();
    let input: Option<(&str, bool)> = match event {
        "head with content" => Some((POST, state != "Receiving")),
        "head without content" => Some((GET, state != "Receiving")),
        "data" => Some(("ab", state != "Idle")),
        "end of content" => Some(("abc", state != "Idle")),
        // Of content by length there is none.
        "violation" => {
            if state == "Receiving" {
                http = with("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
            }
            Some(("(", true))
        }
        _ => None,
    };
    if let Some((input, is_possible)) = input {
        if !is_possible {
            return None;
        }
        let (events, consumed) = read(&mut http, input.as_bytes());
        if events.is_empty() {
            assert_eq!(format!("{:?}", http.state()), state, "nothing has changed");
            return Some(if consumed == 0 { "waits" } else { "ignored" }.into());
        }
        return Some(format!("{:?}", http.state()));
    }
    let result = match event {
        "`handle_eof`" => {
            let ended = http.handle_eof(b"");
            assert_eq!(ended.is_err(), state == "Receiving");
            Ok(())
        }
        "`write_response`" => http.write_response(&mut out, 200, &[], b"x"),
        "`begin_response`" => http.begin_response(&mut out, 200, &[], None),
        "`write_body`" => http.write_body(&mut out, b"x"),
        "`end_response`" => http.end_response(&mut out),
        "`refuse`" => http.refuse(&mut out, HandshakeError::NotFound),
        "`upgrade`" => http.upgrade(),
        "`close`" => {
            http.close();
            Ok(())
        }
        other => panic!("no event {other}"),
    };
    match result {
        Ok(()) => Some(format!("{:?}", http.state())),
        Err(error) => {
            assert_eq!(error, AnswerError::State);
            assert!(out.is_empty());
            assert_eq!(format!("{:?}", http.state()), state, "nothing has changed");
            Some("misuse".into())
        }
    }
}

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let rows: Vec<Vec<&str>> = SOURCE
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix('|'))
        .map(|row| row.split('|').map(str::trim).collect())
        .collect();
    let (states, events) = rows.split_first().expect("a table");
    let states = &states[1..];
    assert_eq!((states.len(), events.len()), (7, 13));
    for row in events {
        let expected: Vec<String> = row[1..].iter().map(ToString::to_string).collect();
        let found: Vec<String> = states
            .iter()
            .map(|state| cell(row[0], state).unwrap_or_default())
            .collect();
        assert_eq!(found, expected, "{}", row[0]);
    }
}

#[test]
fn a_response_that_closes_has_the_state_closed_after_it() {
    let http_1_0 = "GET / HTTP/1.0\r\n\r\n";
    let close = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let mut half = with(GET);
    assert_eq!(half.handle_eof(b""), Ok(()));
    let mut last = with(GET);
    last.close();
    for mut http in [with(http_1_0), with(&close), half, last] {
        let mut out = Vec::new();
        assert_eq!(http.begin_response(&mut out, 200, &[], Some(0)), Ok(()));
        assert_eq!(read(&mut http, b"abc"), (Vec::new(), 3), "ignored");
        assert_eq!(http.end_response(&mut out), Ok(()));
        assert_eq!(http.state(), HttpState::Closed);
        let out = String::from_utf8(out).expect("text");
        assert!(out.contains("\r\nConnection: close\r\n"), "{out}");
    }
}

#[test]
fn the_end_of_the_stream_between_requests_is_no_error() {
    for (rest, result, state) in [
        ("", Ok(()), HttpState::Closed),
        ("\r\n", Ok(()), HttpState::Closed),
        ("G", Err(HandshakeError::Truncated), HttpState::Failed),
        (
            "GET / HTTP/1.1\r\n",
            Err(HandshakeError::Truncated),
            HttpState::Failed,
        ),
    ] {
        let mut http = HttpConnection::new();
        assert_eq!(read(&mut http, rest.as_bytes()), (Vec::new(), 0));
        assert_eq!(http.handle_eof(rest.as_bytes()), result, "{rest:?}");
        assert_eq!(http.state(), state, "{rest:?}");
    }
}
