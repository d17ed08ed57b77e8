//! What a request says of its response and of the connection (RFC 9112 §9.3, RFC 9110 §10.1.1).

use crate::proto::http::encode::Persistence;
use crate::proto::http::error::HandshakeError;
use crate::proto::http::request::Request;

/// What is known of the current request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) is_head: bool,
    pub(crate) is_connect: bool,
    pub(crate) is_http_1_0: bool,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

impl Exchange {
    /// There is no request, or it is not known what it is.
    pub(crate) const NONE: Self = Self {
        is_head: false,
        is_connect: false,
        is_http_1_0: false,
        keep_alive: false,
        expects_continue: false,
    };

    /// Returns what is known of this request, except whether the client waits for 100 Continue.
    pub(crate) fn of(request: &Request<'_>) -> Self {
        Self {
            is_head: request.is_head(),
            is_connect: request.method() == "CONNECT",
            is_http_1_0: request.minor_version() == 0,
            keep_alive: keeps_alive(request),
            expects_continue: false,
        }
    }

    /// Returns what the response says of the connection.
    pub(crate) const fn persistence(&self) -> Persistence {
        match (self.keep_alive, self.is_http_1_0) {
            (false, _) => Persistence::Close,
            (true, false) => Persistence::Kept,
            (true, true) => Persistence::KeptForHttp10,
        }
    }
}

/// Returns whether the client keeps the connection (RFC 9112 §9.3).
fn keeps_alive(request: &Request<'_>) -> bool {
    let has = |option: &[u8]| {
        let mut options = request.list("connection");
        options.any(|listed| listed.eq_ignore_ascii_case(option))
    };
    !has(b"close") && (request.minor_version() > 0 || has(b"keep-alive"))
}

/// Returns whether the client expects `100 Continue`.
///
/// # Errors
/// [`Expectation`](HandshakeError::Expectation) for another expectation.
//= rfc9110#section-10.1.1 "A server that receives an Expect field value containing a member..."
pub(crate) fn expects_continue(request: &Request<'_>) -> Result<bool, HandshakeError> {
    //= rfc9110#section-10.1.1 "A server that receives a 100-continue expectation in an..."
    if request.minor_version() == 0 {
        return Ok(false);
    }
    let mut expects = false;
    for expectation in request.list("expect") {
        if !expectation.eq_ignore_ascii_case(b"100-continue") {
            return Err(HandshakeError::Expectation);
        }
        expects = true;
    }
    Ok(expects)
}
