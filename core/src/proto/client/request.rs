//! Request of a client (RFC 6455 §4.1): target, fields and offers. The key is added when it is
//! sent.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::proto::client::error::RequestError;
use crate::proto::client::uri::Uri;
use crate::proto::http::is_token;
use crate::proto::ws::deflate;
use crate::proto::ws::deflate::Params;
use crate::proto::ws::upgrade::Origin;

/// A request for a WebSocket. Every part is checked when it is added.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// The request line and the complete fields.
    lines: String,
    pub(super) subprotocols: Vec<String>,
    pub(super) deflate: Vec<Params>,
}

impl ClientRequest {
    /// Returns a request for this URI, without offers.
    //= rfc6455#section-4.1 "The handshake MUST be a valid HTTP request as specified by [RFC2616]."
    pub fn new(uri: &Uri<'_>) -> Self {
        let (slash, resource) = uri.target();
        // Writing to a String does not fail.
        let mut lines = String::new();
        //= rfc6455#section-4.1 "The method of the request MUST be GET, and the HTTP version..."
        let _ = write!(lines, "GET {slash}{resource} HTTP/1.1\r\n");
        //= rfc6455#section-4.1 "The request MUST contain a |Host| header field whose value..."
        let (host, port) = uri.host_field();
        let _ = match port {
            Some(port) => write!(lines, "Host: {host}:{port}\r\n"),
            None => write!(lines, "Host: {host}\r\n"),
        };
        //= rfc6455#section-4.1 "The request MUST contain an |Upgrade| header field whose value..."
        lines.push_str("Upgrade: websocket\r\n");
        //= rfc6455#section-4.1 "The request MUST contain a |Connection| header field whose..."
        lines.push_str("Connection: Upgrade\r\n");
        //= rfc6455#section-4.1 "...a header field with the name |Sec-WebSocket-Version|."
        //= rfc6455#section-4.1 "The value of this header field MUST be 13."
        lines.push_str("Sec-WebSocket-Version: 13\r\n");
        Self {
            lines,
            subprotocols: Vec::new(),
            deflate: Vec::new(),
        }
    }

    /// Sets the origin of the page that makes the request, for browsers and their substitutes.
    ///
    /// # Errors
    /// [`RequestError::Origin`].
    pub fn origin(mut self, origin: &str) -> Result<Self, RequestError> {
        if origin.parse::<Origin>().is_err() {
            return Err(RequestError::Origin);
        }
        self.push("Origin", origin);
        Ok(self)
    }

    /// Offers a subprotocol, after those offered before.
    ///
    /// # Errors
    /// [`RequestError::Subprotocol`].
    //= rfc6455#section-4.1 "The elements that comprise this value MUST be non-empty strings..."
    pub fn subprotocol(mut self, name: &str) -> Result<Self, RequestError> {
        if !is_token(name) || self.subprotocols.iter().any(|offered| offered == name) {
            return Err(RequestError::Subprotocol);
        }
        self.subprotocols.push(name.into());
        Ok(self)
    }

    /// Offers permessage-deflate (RFC 7692), after the offers before. Without the feature `deflate`
    /// it is not offered.
    ///
    /// # Errors
    /// [`RequestError::WindowBits`].
    //= rfc7692#section-5 "To offer use of a PMCE, a client MUST include the extension name of..."
    //= rfc7692#section-7.1.2.1 "This parameter has a decimal integer value without leading..."
    //= rfc7692#section-7.1.2.2 "If a value is specified for this parameter, the value MUST..."
    pub fn deflate(mut self, offer: Params) -> Result<Self, RequestError> {
        if !offer.is_valid() {
            return Err(RequestError::WindowBits);
        }
        if deflate::IS_BUILT {
            self.deflate.push(offer);
        }
        Ok(self)
    }

    /// Adds a header field, such as `Authorization` or `Cookie`.
    ///
    /// # Errors
    /// [`RequestError::FieldName`], [`RequestError::FieldValue`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, RequestError> {
        //= rfc6455#section-11.3.1 "The |Sec-WebSocket-Key| header field MUST NOT appear more..."
        //= rfc6455#section-11.3.5 "the |Sec-WebSocket-Version| header field MUST NOT appear..."
        let is_reserved = RESERVED.iter().any(|own| own.eq_ignore_ascii_case(name))
            || name
                .get(..OWN_PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX));
        if is_reserved || !is_token(name) {
            return Err(RequestError::FieldName);
        }
        if !is_value(value) {
            return Err(RequestError::FieldValue);
        }
        self.push(name, value);
        Ok(self)
    }

    /// Returns the bytes of the request with this key.
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut head = self.lines.clone().into_bytes();
        let mut field = |name: &str, value: &[u8]| {
            head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        //= rfc6455#section-4.1 "...include a header field with the name |Sec-WebSocket-Key|."
        field("Sec-WebSocket-Key", key);
        if !self.subprotocols.is_empty() {
            field(
                "Sec-WebSocket-Protocol",
                self.subprotocols.join(", ").as_bytes(),
            );
        }
        if !self.deflate.is_empty() {
            let mut offers = Vec::new();
            for offer in &self.deflate {
                if !offers.is_empty() {
                    offers.extend_from_slice(b", ");
                }
                offer.write_offer(&mut offers);
            }
            field("Sec-WebSocket-Extensions", &offers);
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn push(&mut self, name: &str, value: &str) {
        let _ = write!(self.lines, "{name}: {value}\r\n"); // a String takes all
    }
}

/// Returns whether it is a valid field value (RFC 9110 §5.5).
fn is_value(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || !b.is_ascii_control())
}

/// Fields that the handshake writes itself, or that announce content, which would be read as
/// frames.
const RESERVED: [&str; 6] = [
    "Host",
    "Origin",
    "Upgrade",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
];
const OWN_PREFIX: &str = "Sec-WebSocket-";

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ClientRequest {
        ClientRequest::new(&Uri::parse("ws://h.example:8080/ws?a").expect("an address"))
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn a_request_is_written_as_in_the_rfc() {
        let plain = "GET /ws?a HTTP/1.1\r\nHost: h.example:8080\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
        assert_eq!(
            request().encode(b"KEY"),
            [plain, "Sec-WebSocket-Key: KEY\r\n\r\n"]
                .concat()
                .as_bytes()
        );
        let full = request()
            .origin("https://a.example")
            .and_then(|request| request.header("Authorization", "Basic \u{e9}"))
            .and_then(|request| request.subprotocol("chat.v2"))
            .and_then(|request| request.subprotocol("chat"))
            .and_then(|request| request.deflate(Params::default()))
            .and_then(|request| {
                request.deflate(Params {
                    client_max_window_bits: Some(15),
                    ..Params::default()
                })
            })
            .expect("well-formed");
        let rest = "Origin: https://a.example\r\nAuthorization: Basic \u{e9}\r\n\
            Sec-WebSocket-Key: KEY\r\nSec-WebSocket-Protocol: chat.v2, chat\r\n\
            Sec-WebSocket-Extensions: permessage-deflate, \
            permessage-deflate; client_max_window_bits\r\n\r\n";
        assert_eq!(full.encode(b"KEY"), [plain, rest].concat().as_bytes());
    }

    #[test]
    fn invalid_parts_are_refused() {
        for origin in ["", "NULL", "a.example", "http://a\r\nX: y"] {
            assert_eq!(request().origin(origin).err(), Some(RequestError::Origin));
        }
        for origin in ["null", "file://"] {
            assert!(request().origin(origin).is_ok(), "{origin}");
        }
        for name in ["", "a b", "a,b", "a\r\n", "\u{e9}", "a/b"] {
            let error = request().subprotocol(name).err();
            assert_eq!(error, Some(RequestError::Subprotocol), "{name}");
        }
        let twice = request().subprotocol("a").and_then(|r| r.subprotocol("a"));
        assert_eq!(twice.err(), Some(RequestError::Subprotocol));
        assert!(
            request()
                .subprotocol("a")
                .and_then(|r| r.subprotocol("A"))
                .is_ok()
        );
        for name in [
            "",
            "a b",
            "a:",
            "HOST",
            "sec-websocket-key",
            "Sec-WebSocket-X",
            "\u{e9}\u{e9}",
        ] {
            let error = request().header(name, "x").err();
            assert_eq!(error, Some(RequestError::FieldName), "{name}");
        }
        for value in ["\r", "\n", "a\r\nX: y", "\0", "\x7f"] {
            let error = request().header("a", value).err();
            assert_eq!(error, Some(RequestError::FieldValue), "{value:?}");
        }
        assert!(request().header("Sec-Fetch-Mode", " \t").is_ok());
        for (bits, is_valid) in [(0, false), (7, false), (8, true), (15, true), (16, false)] {
            let server = Params {
                server_max_window_bits: Some(bits),
                ..Params::default()
            };
            let client = Params {
                client_max_window_bits: Some(bits),
                ..Params::default()
            };
            for offer in [server, client] {
                let error = request().deflate(offer).err();
                assert_eq!(
                    error,
                    (!is_valid).then_some(RequestError::WindowBits),
                    "{bits}"
                );
            }
        }
    }
}
