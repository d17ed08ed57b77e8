//! Sockets that the application hands over, from a listener or an HTTP server of its own.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};

use stentor_core::proto::http::{Fields, HeadLimits, Request};
use stentor_core::proto::ws::upgrade;

/// A socket that did not come from a listener of the server.
#[derive(Debug)]
pub struct IncomingSocket {
    /// The socket.
    pub stream: TcpStream,
    /// The address of its peer.
    pub peer: SocketAddr,
    /// The bytes that were read from it.
    pub read: Vec<u8>,
    /// Whether the opening handshake at the begin of `read` is answered.
    pub is_answered: bool,
}

/// The reason why a socket was not accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// The server does not serve yet, or has ended.
    NotServing,
    /// The server has as many connections as it may have.
    Full,
    /// The system has no thread or descriptor for it, or the socket has failed.
    System(io::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServing => f.write_str("the server does not serve"),
            Self::Full => f.write_str("the server is full"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}

/// The head of a request that another HTTP server has parsed.
///
/// ```
/// use stentor_server::RequestHead;
///
/// let fields = [
///     ("host", &b"localhost"[..]),
///     ("connection", b"Upgrade"),
///     ("upgrade", b"websocket"),
///     ("sec-websocket-version", b"13"),
///     ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
/// ];
/// let head = RequestHead::new("/chat?name=a", fields).expect("well-formed");
/// assert_eq!(head.accept_key(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestHead(Vec<u8>);

impl RequestHead {
    /// Returns the head of a GET request with this path and query, and these fields. Returns `None`
    /// if they form no head of HTTP/1.1.
    #[must_use]
    pub fn new<'a>(
        target: &str,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<Self> {
        let mut head = format!("GET {target} HTTP/1.1\r\n").into_bytes();
        let mut number = 0;
        for (name, value) in fields {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
            number += 1;
        }
        head.extend_from_slice(b"\r\n");
        let mut parsed = Fields::new();
        let limits = HeadLimits::default();
        // A line break in a value would add a field, or end the head.
        let is_same = match Request::parse(&head, &mut parsed, limits) {
            Ok(Some((request, len))) => len == head.len() && request.fields().count() == number,
            _ => false,
        };
        is_same.then_some(Self(head))
    }

    /// Returns the value of `Sec-WebSocket-Accept` in the response, or `None` if the request has no
    /// key.
    #[must_use]
    pub fn accept_key(&self) -> Option<String> {
        let mut fields = Fields::new();
        let parsed = Request::parse(&self.0, &mut fields, HeadLimits::default());
        let (request, _) = parsed.ok()??;
        let key = request.header("sec-websocket-key").next()?;
        let accept = upgrade::accept_key(key);
        String::from_utf8(accept.to_vec()).ok()
    }

    /// Returns the head as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
