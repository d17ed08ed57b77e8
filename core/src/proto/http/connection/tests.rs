//! Tests of a connection: reading, answering, and the table of its states.

mod answers;
mod cuts;
mod reading;
mod table;

use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::proto::http::HeadLimits;

/// Small limits, so that tests reach them.
pub(super) const LIMITS: HttpLimits = HttpLimits {
    head: HeadLimits {
        bytes: 256,
        fields: 8,
    },
    body: 64,
};

/// An event with what it borrows. Data is joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// Method, target, version, fields, whether the connection is kept, whether it waits.
    Head(String, String, u8, Vec<(String, Vec<u8>)>, bool, bool),
    Data(Vec<u8>),
    End,
    Error(HandshakeError),
    /// The rest of the input, which is another protocol's.
    Rest(Vec<u8>),
}

impl Seen {
    pub(super) fn of(event: HttpEvent<'_>) -> Self {
        match event {
            HttpEvent::Head(head) => {
                let request = head.request();
                let fields = request
                    .fields()
                    .map(|(name, value)| (name.into(), value.into()));
                Self::Head(
                    request.method().into(),
                    request.target().into(),
                    request.minor_version(),
                    fields.collect(),
                    head.keep_alive(),
                    head.expects_continue(),
                )
            }
            HttpEvent::Data(data) => Self::Data(data.into()),
            HttpEvent::End => Self::End,
        }
    }
}

/// Polls once: what was consumed, and the event.
pub(super) fn poll(http: &mut HttpConnection, input: &[u8]) -> (usize, Option<Seen>) {
    let mut fields = Fields::new();
    match http.poll_event(input, &mut fields, &LIMITS) {
        Ok(step) => (step.consumed, step.event.map(Seen::of)),
        Err(error) => (0, Some(Seen::Error(error))),
    }
}

/// Polls to the end of what can be read: the events, and how much was consumed.
pub(super) fn read(http: &mut HttpConnection, input: &[u8]) -> (Vec<Seen>, usize) {
    let (mut events, mut at) = (Vec::new(), 0);
    loop {
        let (consumed, event) = poll(http, &input[at..]);
        at += consumed;
        match event {
            None => return (events, at),
            Some(event) => events.push(event),
        }
    }
}

/// Returns a connection that has read this request.
pub(super) fn with(request: &str) -> HttpConnection {
    let mut http = HttpConnection::new();
    read(&mut http, request.as_bytes());
    http
}

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
pub(super) const POST: &str = "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
