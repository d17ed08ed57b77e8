//! Requests as the core reads them.

use stentor_core::proto::http::HandshakeError;
use stentor_core::proto::http::{
    Fields, HttpConnection, HttpEvent, HttpLimits, HttpState, RequestHead,
};

/// A whole request. Bytes are characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SeenRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    /// `1.1`
    pub(crate) version: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// How a sequence of requests ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Between requests, or with the connection.
    Whole,
    /// Within a request.
    Incomplete,
    /// The next request is refused; with this status if it is known.
    Refused(Option<u16>),
}

/// What a parser makes of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) requests: Vec<SeenRequest>,
    pub(crate) end: End,
}

impl Seen {
    /// Returns it in the words of `requests.txt`.
    pub(crate) fn outcome(&self) -> String {
        let end = match self.end {
            End::Whole => String::new(),
            End::Incomplete => "incomplete".into(),
            End::Refused(Some(status)) => status.to_string(),
            End::Refused(None) => "refused".into(),
        };
        match (self.requests.len(), end.is_empty()) {
            (0, false) => end,
            (requests, true) => requests.to_string(),
            (requests, false) => format!("{requests} {end}"),
        }
    }

    /// Returns it without what other parsers do not say.
    pub(crate) fn without_status(mut self) -> Self {
        if let End::Refused(status) = &mut self.end {
            *status = None;
        }
        self
    }
}

/// Serves these bytes, which arrive in pieces of this length, and then the stream ends.
pub(crate) fn serve(bytes: &[u8], piece: usize) -> Seen {
    let mut http = HttpConnection::new();
    let (mut requests, mut refused) = (Vec::new(), None);
    let (mut request, mut unread, mut out) = (None, Vec::new(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        unread.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let mut fields = Fields::new();
            match http.poll_event(&unread[at..], &mut fields, &HttpLimits::DEFAULT) {
                Err(error) => {
                    refused.get_or_insert(error);
                    http.refuse(&mut out, error).expect("awaited");
                    continue;
                }
                Ok(step) => {
                    at += step.consumed;
                    match (step.event, &mut request) {
                        (Some(HttpEvent::Head(head)), _) => request = Some(seen(&head)),
                        (Some(HttpEvent::Data(data)), Some(request)) => {
                            request.body.extend(characters(data));
                        }
                        (None, _) if http.state() != HttpState::Received => break,
                        _ => {}
                    }
                }
            }
            if http.state() == HttpState::Received {
                requests.extend(request.take());
                http.write_response(&mut out, 200, &[], b"")
                    .expect("awaited");
            }
        }
        unread.drain(..at);
    }
    let ended = http.handle_eof(&unread);
    let end = match refused.or(ended.err()) {
        None => End::Whole,
        Some(HandshakeError::Truncated) => End::Incomplete,
        Some(error) => End::Refused(Some(error.status())),
    };
    Seen { requests, end }
}

fn seen(head: &RequestHead<'_>) -> SeenRequest {
    let request = head.request();
    SeenRequest {
        method: request.method().into(),
        target: request.target().into(),
        version: format!("1.{}", request.minor_version()),
        fields: request
            .fields()
            .map(|(name, value)| (name.to_ascii_lowercase(), characters(value).collect()))
            .collect(),
        body: String::new(),
    }
}

/// Returns bytes as characters.
pub(crate) fn characters(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.iter().copied().map(char::from)
}
