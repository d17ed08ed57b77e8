//! URI of a WebSocket (RFC 6455 §3). Resolves no names.

use crate::proto::client::error::RequestError;
use crate::proto::http::{Authority, consists_of};

/// A parsed `ws:` or `wss:` URI.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    secure: bool,
    authority: Authority<'a>,
    resource: &'a str,
}

impl<'a> Uri<'a> {
    /// Parses a URI.
    ///
    /// # Errors
    /// [`RequestError::Uri`] for another scheme, a user, a fragment, or characters that must be
    /// percent-encoded in a URI (RFC 3986).
    //= rfc6455#section-3 "Fragment identifiers are meaningless in the context of WebSocket URIs..."
    //= rfc6455#section-4.1 "The components of the WebSocket URI passed into this algorithm..."
    //= rfc6455#section-4.1 "If any of the components are invalid, the client MUST _Fail the..."
    pub fn parse(text: &'a str) -> Result<Self, RequestError> {
        let (scheme, rest) = text.split_once("://").ok_or(RequestError::Uri)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(RequestError::Uri),
        };
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = Authority::parse(authority.as_bytes()).ok_or(RequestError::Uri)?;
        if !consists_of(resource, b":@/?") {
            return Err(RequestError::Uri);
        }
        Ok(Self {
            secure,
            authority,
            resource,
        })
    }

    /// Returns whether the stream must use TLS, which is the caller's.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the name or address to connect to; an IPv6 address without its brackets.
    pub fn host(&self) -> &'a str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// Returns the port to connect to. The default is 80, and 443 for `wss:`.
    pub fn port(&self) -> u16 {
        self.authority.port().unwrap_or(self.default_port())
    }

    /// Returns the host of the Host field, and the port if it is not the default.
    pub(super) fn host_field(&self) -> (&'a str, Option<u16>) {
        let port = self.authority.port();
        (
            self.authority.host(),
            port.filter(|&port| port != self.default_port()),
        )
    }

    /// Returns the request target: path and query, `/` if there is no path.
    //= rfc6455#section-4.1 "The "Request-URI" part of the request MUST match the /resource..."
    pub(super) fn target(&self) -> (&'static str, &'a str) {
        let before = if self.resource.starts_with('/') {
            ""
        } else {
            "/"
        };
        (before, self.resource)
    }

    const fn default_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn a_uri_is_parsed() {
        for (text, secure, host, port, host_field, target) in [
            ("ws://a", false, "a", 80, None, "/"),
            ("ws://a/", false, "a", 80, None, "/"),
            ("WS://a:80/ws", false, "a", 80, None, "/ws"),
            ("wss://a:80/ws", true, "a", 80, Some(80), "/ws"),
            ("wSs://a?q=1", true, "a", 443, None, "/?q=1"),
            ("ws://a:/x?y?z", false, "a", 80, None, "/x?y?z"),
            ("ws://[::1]:9001//", false, "::1", 9_001, Some(9_001), "//"),
            ("ws://a/x?u=ws://b", false, "a", 80, None, "/x?u=ws://b"),
            (
                "ws://a/~%7b;p=1/@:!$&'()*+,?%c3%A9/?",
                false,
                "a",
                80,
                None,
                "/~%7b;p=1/@:!$&'()*+,?%c3%A9/?",
            ),
        ] {
            let uri = Uri::parse(text).expect(text);
            assert_eq!(
                (uri.is_secure(), uri.host(), uri.port()),
                (secure, host, port)
            );
            let (before, resource) = uri.target();
            assert_eq!(String::from(before) + resource, target, "{text}");
            assert_eq!(uri.host_field().1, host_field, "{text}");
        }
    }

    #[test]
    fn an_invalid_uri_is_refused() {
        for text in [
            "",
            "a",
            "ws:a",
            "ws:/a",
            "http://a",
            "://a",
            "ws://",
            "ws:///x",
            "ws://u@a",
            "ws://a#f",
            "ws://a/#",
            "ws://a/x y",
            "ws://a/\r\n",
            "ws://a/\u{e9}",
            "ws://a:65536",
            "ws://a b/",
            "ws://a/{x}",
            "ws://a/?a=[0]",
            "ws://a/\"",
            "ws://a/\\b",
            "ws://a/%",
            "ws://a/%a",
            "ws://a/?%4g",
        ] {
            assert_eq!(Uri::parse(text).err(), Some(RequestError::Uri), "{text}");
        }
    }
}
