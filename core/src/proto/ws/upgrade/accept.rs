//! Owns the decision on a request (RFC 6455 §4.2). Who may connect by origin is
//! for `origin` to say, what a key is for `key`, which subprotocol is spoken for
//! `subprotocol`, what is written back for `response`.

use crate::proto::http::{HandshakeError, Page, Request};
use crate::proto::ws::deflate::{Params, Terms};
use crate::proto::ws::upgrade::extension::{Extension, Malformed};
use crate::proto::ws::upgrade::key::{ACCEPT_LEN, accept_key, is_key};
use crate::proto::ws::upgrade::origin;
use crate::proto::ws::upgrade::policy::Policy;
use crate::proto::ws::upgrade::subprotocol;

/// What a request gets, if it is not refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HeadAction {
    /// The connection becomes a WebSocket.
    Upgrade(Upgrade),
    /// A page, and then the end of the connection.
    Page {
        /// Which page.
        page: Page,
        /// Whether the page goes without its content, as HEAD asks.
        head_only: bool,
    },
    /// The methods that there are, as OPTIONS asks, and then the end of the connection.
    Methods,
}

/// What the answer to an upgrade must say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Upgrade {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: [u8; ACCEPT_LEN],
    /// The place, in [`Request::subprotocols`], of the first of
    /// [`Policy::subprotocols`] that is offered; `None` if none is.
    pub subprotocol: Option<usize>,
    /// The first offer of permessage-deflate that need not be declined, if
    /// messages are to be compressed at all; it is still to be answered.
    pub deflate: Option<Params>,
}

/// Decides on a request: `/ws` upgrades, each [`Page`] is shown, and OPTIONS of
/// any of them, or of `*`, is answered.
///
/// # Errors
/// The first thing that is wrong: the host, whether it is allowed, the path, the method, then for
/// `/ws` the HTTP version, a body, the upgrade, the protocol version, the key,
/// the subprotocols, the extensions, the origin.
//= rfc6455#section-4.2.1 "If the server, while reading the handshake, finds that the client did..."
//= rfc6455#section-4.2.2 "If the requested service is not available, the server MUST send an..."
pub fn decide(request: &Request<'_>, policy: &Policy<'_>) -> Result<HeadAction, HandshakeError> {
    //= rfc6455#section-4.2.1 "A |Host| header field containing the server's authority."
    let host = request.host_of(policy.hosts)?;
    let asks_for_methods = request.method() == "OPTIONS";
    let page = match request.path() {
        WS_PATH => None,
        "*" if asks_for_methods => return Ok(HeadAction::Methods),
        path => {
            let page = Page::at(path, policy.pages);
            Some(page.ok_or(HandshakeError::NotFound)?)
        }
    };
    // Load balancers check by this whether a server is up (RFC 9110 §9.3.7).
    if asks_for_methods {
        return Ok(HeadAction::Methods);
    }
    let head_only = request.is_head();
    if !head_only && request.method() != "GET" {
        return Err(HandshakeError::Method);
    }
    if let Some(page) = page {
        return Ok(HeadAction::Page { page, head_only });
    }
    //= rfc6455#section-4.2.1 "An HTTP/1.1 or higher GET request, including a "Request-URI"..."
    if request.minor_version() == 0 {
        return Err(HandshakeError::HttpVersion);
    }
    if announces_body(request) {
        return Err(HandshakeError::Body);
    }
    //= rfc6455#section-4.2.1 "An |Upgrade| header field containing the value "websocket",..."
    //= rfc6455#section-4.2.1 "A |Connection| header field that includes the token "Upgrade",..."
    // HEAD gets the headers of what GET without an upgrade gets.
    if head_only
        || !has_token(request, "upgrade", b"websocket")
        || !has_token(request, "connection", b"upgrade")
    {
        return Err(HandshakeError::NotUpgrade);
    }
    //= rfc6455#section-4.2.1 "A |Sec-WebSocket-Version| header field, with a value of 13."
    //= rfc6455#section-4.2.2 "If this version does not match a version understood by the..."
    if request.only("sec-websocket-version") != Some(b"13") {
        return Err(HandshakeError::Version);
    }
    //= rfc6455#section-4.2.1 "A |Sec-WebSocket-Key| header field with a base64-encoded (see..."
    let key = request
        .only("sec-websocket-key")
        .filter(|key| is_key(key))
        .ok_or(HandshakeError::Key)?;
    //= rfc6455#section-4.2.1 "Optionally, a |Sec-WebSocket-Protocol| header field, with a list..."
    let subprotocol = subprotocol::choose(request, policy.subprotocols)?;
    let deflate = deflate_offer(request, policy.deflate)?;
    //= rfc6455#section-4.2.2 "If the server does not wish to accept this connection, it MUST..."
    if !origin::may_connect(request, host, policy.origins) {
        return Err(HandshakeError::Origin);
    }
    Ok(HeadAction::Upgrade(Upgrade {
        accept: accept_key(key),
        subprotocol,
        deflate,
    }))
}

/// The first acceptable offer, if any is wanted. Of extensions that nobody
/// wants the grammar is checked all the same.
//= rfc6455#section-9.1 "If a value is received by either the client or the server during..."
//= rfc6455#section-4.2.2 "If the server supports multiple extensions, then the value MUST be..."
fn deflate_offer(
    request: &Request<'_>,
    terms: Option<Terms>,
) -> Result<Option<Params>, HandshakeError> {
    let is_acceptable = |offer: &Params| terms.is_some_and(|terms| offer.answer(terms).is_some());
    let mut chosen = None;
    // Over all of its lines, the list must have an element.
    let mut is_empty = request.header(EXTENSIONS).next().is_some();
    for line in request.header(EXTENSIONS) {
        for extension in Extension::parse_list(line) {
            let extension = extension.map_err(|Malformed| HandshakeError::Extensions)?;
            is_empty = false;
            //= rfc7692#section-5 "...together with another extension if the PMCE will conflict..."
            //= rfc7692#section-5 "...offer together with another extension if the PMCE will be..."
            // One is accepted, and there is no other to accept.
            chosen = chosen.or_else(|| Params::parse_offer(&extension).filter(is_acceptable));
        }
    }
    if is_empty {
        return Err(HandshakeError::Extensions);
    }
    Ok(chosen)
}

/// Whether the request says that content follows (RFC 9112 §6.3), or says it
/// in a way that cannot be trusted. After an upgrade it would pass for frames.
fn announces_body(request: &Request<'_>) -> bool {
    let is_zero = |length: &[u8]| !length.is_empty() && length.iter().all(|&digit| digit == b'0');
    let mut lengths = request
        .header("content-length")
        .flat_map(|value| value.split(|&b| b == b','));
    request.header("transfer-encoding").next().is_some()
        || !lengths.all(|length| is_zero(length.trim_ascii()))
}

fn has_token(request: &Request<'_>, name: &str, token: &[u8]) -> bool {
    request
        .list(name)
        .any(|element| element.eq_ignore_ascii_case(token))
}

const WS_PATH: &str = "/ws";
const EXTENSIONS: &str = "sec-websocket-extensions";

#[cfg(test)]
mod tests;
