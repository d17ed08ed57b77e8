//! Parser of a request target (RFC 9112 §3.2).

use crate::proto::http::authority::Authority;
use crate::proto::http::error::HandshakeError;

/// A parsed request target (RFC 9112 §3.2).
pub(crate) struct Target<'a> {
    /// The host of an absolute target.
    pub(crate) authority: Option<Authority<'a>>,
    /// The path; `/` for an absolute target without a path.
    pub(crate) path: &'a str,
    /// The part after the first question mark.
    pub(crate) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Parses the target of a request with this method.
    pub(crate) fn parse(method: &str, target: &'a str) -> Result<Self, HandshakeError> {
        //= rfc6455#section-3 "Fragment identifiers are meaningless in the context of WebSocket..."
        //= rfc6455#section-3 "As with any URI scheme, the character "#", when not indicating..."
        // A fragment is never sent, and non-ASCII characters are sent percent-encoded. Browsers
        // leave `{` and the like in a query as they are, so those are accepted.
        if !target.is_ascii() || target.contains('#') {
            return Err(HandshakeError::Malformed);
        }
        if target.starts_with('/') {
            return Ok(Self::from_origin_form(None, target));
        }
        //= rfc9112#section-3.2.2 "A server MUST accept the absolute-form in requests even..."
        if let Some((scheme, rest)) = target.split_once("://")
            && ["http", "https", "ws", "wss"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let authority = Authority::parse(authority.as_bytes()).ok_or(HandshakeError::Host)?;
            return Ok(Self::from_origin_form(Some(authority), rest));
        }
        // The forms of OPTIONS and CONNECT are valid, although no page is there.
        if target == "*" || method == "CONNECT" {
            return Ok(Self {
                authority: None,
                path: target,
                query: None,
            });
        }
        Err(HandshakeError::Malformed)
    }

    fn from_origin_form(authority: Option<Authority<'a>>, target: &'a str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Self {
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_target_is_parsed() {
        let target = |target| {
            Target::parse("GET", target)
                .map(|parts| (parts.authority.is_some(), parts.path, parts.query))
        };
        assert_eq!(target("/"), Ok((false, "/", None)));
        assert_eq!(target("//a/ws"), Ok((false, "//a/ws", None)));
        assert_eq!(target("/ws?"), Ok((false, "/ws", Some(""))));
        assert_eq!(target("/a?http://b/"), Ok((false, "/a", Some("http://b/"))));
        assert_eq!(target("http://host/ws"), Ok((true, "/ws", None)));
        assert_eq!(target("WSS://host:8/ws?q"), Ok((true, "/ws", Some("q"))));
        assert_eq!(target("http://host"), Ok((true, "/", None)));
        assert_eq!(target("http://host?q"), Ok((true, "/", Some("q"))));
        assert_eq!(target("*"), Ok((false, "*", None)));
        for garbage in ["", "ws", "ftp://host/", "/a#b", "host:80", "/\u{e9}"] {
            assert_eq!(target(garbage), Err(HandshakeError::Malformed), "{garbage}");
        }
        for hostless in ["http://", "http:///ws", "http://u@host/ws"] {
            assert_eq!(target(hostless), Err(HandshakeError::Host), "{hostless}");
        }
        assert!(Target::parse("CONNECT", "host:80").is_ok());
    }
}
