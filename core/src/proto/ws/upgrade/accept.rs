//! Decision on a request (RFC 6455 §4.2): an upgrade, a page or an error.

use crate::proto::http::{Authority, Framing, HandshakeError, PageIndex, Request};
use crate::proto::ws::deflate::{Params, Terms};
use crate::proto::ws::upgrade::extension::{Extension, Malformed};
use crate::proto::ws::upgrade::key::{ACCEPT_LEN, accept_key, is_key};
use crate::proto::ws::upgrade::origin;
use crate::proto::ws::upgrade::policy::Policy;
use crate::proto::ws::upgrade::subprotocol;

/// The action for a valid request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HeadAction {
    /// Upgrade the connection to a WebSocket.
    Upgrade(Upgrade),
    /// Send a page of [`Policy::pages`], for HEAD without its content.
    Page(PageIndex),
    /// Send the allowed methods, as for OPTIONS.
    Methods,
    /// Ask the application. The request does not ask for an upgrade; this is the error if the
    /// application accepts it as one.
    Other(HandshakeError),
}

/// The contents of the response to an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Upgrade {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: [u8; ACCEPT_LEN],
    /// The index in [`Request::subprotocols`] of the first of [`Policy::subprotocols`] that is
    /// offered; `None` if none is.
    pub subprotocol: Option<usize>,
    /// The first acceptable offer of permessage-deflate, if the policy accepts offers; its response
    /// is still to be chosen.
    pub deflate: Option<Params>,
}

/// Decides on a request: each page is served, and OPTIONS of one, of a path for WebSockets, or of
/// `*`, is answered; an opening handshake is checked; everything else is the application's.
///
/// # Errors
/// Returns the first error in this order: the host, whether it is allowed; for a page the method;
/// for a request with `Upgrade: websocket` the path, the method, the HTTP version, a body, the
/// upgrade, the protocol version, the key, the subprotocols, the extensions, the origin.
//= rfc6455#section-4.2.1 "If the server, while reading the handshake, finds that the client did..."
//= rfc6455#section-4.2.2 "If the requested service is not available, the server MUST send an..."
pub fn decide(request: &Request<'_>, policy: &Policy<'_>) -> Result<HeadAction, HandshakeError> {
    //= rfc6455#section-4.2.1 "A |Host| header field containing the server's authority."
    let host = request.host_of(policy.hosts)?;
    let page = policy.pages.index_of(request.path());
    // Load balancers use OPTIONS as a health check (RFC 9110 §9.3.7).
    let has_methods = page.is_some() || policy.has_path(request.path());
    if request.method() == "OPTIONS" && (has_methods || request.path() == "*") {
        return Ok(HeadAction::Methods);
    }
    if let Some(page) = page {
        return match request.method() {
            "GET" | "HEAD" => Ok(HeadAction::Page(page)),
            _ => Err(HandshakeError::Method),
        };
    }
    match upgrade(request, host, policy) {
        Ok(upgrade) => Ok(HeadAction::Upgrade(upgrade)),
        Err(error) if has_token(request, "upgrade", b"websocket") => Err(error),
        Err(error) => Ok(HeadAction::Other(error)),
    }
}

/// Checks an opening handshake (RFC 6455 §4.2.1).
fn upgrade(
    request: &Request<'_>,
    host: Option<Authority<'_>>,
    policy: &Policy<'_>,
) -> Result<Upgrade, HandshakeError> {
    if !policy.paths.is_empty() && !policy.has_path(request.path()) {
        return Err(HandshakeError::NotFound);
    }
    let head_only = request.is_head();
    if !head_only && request.method() != "GET" {
        return Err(HandshakeError::Method);
    }
    //= rfc6455#section-4.2.1 "An HTTP/1.1 or higher GET request, including a "Request-URI"..."
    if request.minor_version() == 0 {
        return Err(HandshakeError::HttpVersion);
    }
    // After an upgrade, content would be read as frames.
    if Framing::of(request) != Ok(Framing::Length(0)) {
        return Err(HandshakeError::Body);
    }
    //= rfc6455#section-4.2.1 "An |Upgrade| header field containing the value "websocket",..."
    //= rfc6455#section-4.2.1 "A |Connection| header field that includes the token "Upgrade",..."
    // HEAD gets the headers of a GET without an upgrade.
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
    if !origin::is_allowed(request, host, policy.origins) {
        return Err(HandshakeError::Origin);
    }
    Ok(Upgrade {
        accept: accept_key(key),
        subprotocol,
        deflate,
    })
}

/// Returns whether the origin of a request is allowed, whatever it asks for.
pub fn is_origin_allowed(request: &Request<'_>, policy: &Policy<'_>) -> bool {
    let host = request.host().ok().flatten();
    origin::is_allowed(request, host, policy.origins)
}

/// Returns the first acceptable offer. The grammar of other extensions is checked, too.
//= rfc6455#section-9.1 "If a value is received by either the client or the server during..."
//= rfc6455#section-4.2.2 "If the server supports multiple extensions, then the value MUST be..."
fn deflate_offer(
    request: &Request<'_>,
    terms: Option<Terms>,
) -> Result<Option<Params>, HandshakeError> {
    let is_acceptable = |offer: &Params| terms.is_some_and(|terms| offer.answer(terms).is_some());
    let mut chosen = None;
    // Over all its lines, the list must have an element.
    let mut is_empty = request.header(EXTENSIONS).next().is_some();
    for line in request.header(EXTENSIONS) {
        for extension in Extension::parse_list(line) {
            let extension = extension.map_err(|Malformed| HandshakeError::Extensions)?;
            is_empty = false;
            //= rfc7692#section-5 "...together with another extension if the PMCE will conflict..."
            //= rfc7692#section-5 "...offer together with another extension if the PMCE will be..."
            // At most one extension is accepted, so no other can conflict with it.
            chosen = chosen.or_else(|| Params::parse_offer(&extension).filter(is_acceptable));
        }
    }
    if is_empty {
        return Err(HandshakeError::Extensions);
    }
    Ok(chosen)
}

fn has_token(request: &Request<'_>, name: &str, token: &[u8]) -> bool {
    request
        .list(name)
        .any(|element| element.eq_ignore_ascii_case(token))
}

const EXTENSIONS: &str = "sec-websocket-extensions";

#[cfg(test)]
mod tests;
