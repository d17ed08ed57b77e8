//! What requests cost in allocations: nothing, if the responses have room.

use stentor_core::proto::http::{Fields, HttpConnection, HttpEvent, HttpLimits, HttpState};

use crate::counting::ALLOCATIONS;

const REQUESTS: &[u8] = b"\
    GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n\
    POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello\
    POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
    3;a=\"b\"\r\nabc\r\nfff\r\n";

/// Serves what there is, and returns the number of bytes of content.
fn serve(http: &mut HttpConnection, mut input: &[u8], out: &mut Vec<u8>) -> usize {
    let (mut content, fields): (usize, [(&str, &[u8]); 1]) = (0, [("Date", b"today")]);
    loop {
        let mut lines = Fields::new();
        let step = http.poll_event(input, &mut lines, &HttpLimits::DEFAULT);
        let step = step.expect("well-formed");
        input = &input[step.consumed..];
        match step.event {
            Some(HttpEvent::Data(data)) => content += data.len(),
            Some(HttpEvent::Head(head)) if head.expects_continue() => {
                assert!(http.write_continue(out));
            }
            Some(_) => {}
            None if http.state() == HttpState::Received => {
                http.write_response(out, 200, &fields, b"ok")
                    .expect("awaited");
            }
            None => return content,
        }
    }
}

#[test]
fn requests_allocate_nothing() {
    let mut http = HttpConnection::new();
    let mut out = Vec::with_capacity(4_096);
    let data = [b'x'; 1_000];
    let before = ALLOCATIONS.get();
    // A length that is announced allocates nothing either: 4,095 bytes, of which 1,000 come.
    assert_eq!(serve(&mut http, REQUESTS, &mut out), 8);
    assert_eq!(serve(&mut http, &data, &mut out), 1_000);
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(http.state(), HttpState::Receiving);
    assert!(out.ends_with(b"\r\n\r\nok"));
}
