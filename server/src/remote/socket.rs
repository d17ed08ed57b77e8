//! Sockets that the application hands over, from a listener or an HTTP server of its own.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};

use stentor_core::app::Isolation;
use stentor_core::proto::http::{Fields, HandshakeError, HeadLimits, Request};
use stentor_core::proto::ws::upgrade::{self, HeadAction};
use stentor_core::shard::Admission;
use stentor_core::{Config, ConnId, Handler, Shard, Timestamp};

/// A socket that did not come from a listener of the server.
#[derive(Debug)]
pub struct IncomingSocket {
    /// The socket.
    pub stream: TcpStream,
    /// What is known of it.
    pub arrival: ReadSocket,
}

/// A socket that was read from before, apart from the socket.
#[derive(Debug)]
pub struct ReadSocket {
    /// The address of its peer.
    pub peer: SocketAddr,
    /// The bytes that were read from it.
    pub read: Vec<u8>,
    /// Where it comes from.
    pub origin: SocketOrigin,
}

/// Where a socket comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketOrigin {
    /// A listener of the application.
    Listener,
    /// An HTTP server, which has answered the opening handshake at the begin of what was read.
    Answered,
    /// The listener of the admin pages.
    Internal,
}

impl ReadSocket {
    /// Gives the socket to a shard, and returns the name of the connection.
    pub fn enter<H: Handler, I: Isolation>(
        self,
        now: Timestamp,
        admission: Admission,
        shard: &mut Shard<H, I>,
    ) -> ConnId {
        let Self {
            peer,
            mut read,
            origin,
        } = self;
        match origin {
            SocketOrigin::Answered => shard.accept_upgraded(now, admission, peer, &mut read),
            SocketOrigin::Internal => shard.accept_internal(now, admission, peer, &mut read),
            SocketOrigin::Listener => {
                let id = shard.accept_from(now, admission, peer);
                shard.handle_input(now, id, &mut read);
                id
            }
        }
    }
}

/// The reason why a socket was not accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// The server has ended.
    Ended,
    /// The server has as many connections as it may have.
    Full,
    /// The system has no thread or descriptor for it, or the socket has failed.
    System(io::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the server has ended"),
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpgradeHead(Vec<u8>);

impl UpgradeHead {
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
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
            number += 1;
        }
        head.extend_from_slice(b"\r\n");
        let mut parsed = Fields::new();
        // A line break in a value would add a field, or end the head.
        let is_same = match Request::parse(&head, &mut parsed, HeadLimits::default()) {
            Ok(Some((request, len))) => len == head.len() && request.fields().count() == number,
            _ => false,
        };
        is_same.then_some(Self(head))
    }

    /// Returns the head as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the fields of the response that upgrades the connection on a server with this
    /// configuration.
    pub(super) fn upgrade_fields(&self, config: &Config) -> Result<UpgradeFields, HandshakeError> {
        let mut fields = Fields::new();
        let parsed = Request::parse(&self.0, &mut fields, config.head_limits())?;
        let (request, _) = parsed.ok_or(HandshakeError::Malformed)?;
        let accept = match upgrade::decide(&request, &config.upgrade_policy())? {
            HeadAction::Upgrade(upgrade) => upgrade.accept,
            HeadAction::Other(error) => return Err(error),
            _ => return Err(HandshakeError::NotUpgrade),
        };
        Ok([
            ("connection", "Upgrade".into()),
            ("upgrade", "websocket".into()),
            (
                "sec-websocket-accept",
                accept.iter().copied().map(char::from).collect(),
            ),
        ])
    }
}

/// Names and values of the fields of a response.
pub type UpgradeFields = [(&'static str, String); 3];

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, &[u8]); 5] = [
        ("host", b"localhost"),
        ("connection", b"Upgrade"),
        ("upgrade", b"websocket"),
        ("sec-websocket-version", b"13"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_fields_of_the_response_are_those_of_the_rfc() {
        let config = Config::default();
        let head = UpgradeHead::new("/chat?name=a", FIELDS).expect("well-formed");
        let fields = head.upgrade_fields(&config).expect("an opening handshake");
        let accept = (
            "sec-websocket-accept",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into(),
        );
        assert_eq!(fields[2], accept);
        let without_key = UpgradeHead::new("/", FIELDS[..4].iter().copied()).expect("well-formed");
        let refused = without_key.upgrade_fields(&config);
        assert_eq!(refused, Err(HandshakeError::Key));
        let other = UpgradeHead::new("/", FIELDS[..1].iter().copied()).expect("well-formed");
        assert!(other.upgrade_fields(&config).is_err());
    }

    #[test]
    fn nothing_can_add_a_field_or_end_the_head() {
        let values = [
            &b"a\r\nb: c"[..],
            b"a\nb: c",
            b"a\r\n\r\nGET / HTTP/1.1",
            b"a\0",
        ];
        for value in values {
            assert_eq!(UpgradeHead::new("/", [("x", value)]), None, "{value:?}");
        }
        for name in ["a: b\r\nc", "a b", ""] {
            assert_eq!(UpgradeHead::new("/", [(name, &b"c"[..])]), None, "{name:?}");
        }
        for target in ["/ HTTP/1.1\r\na: b\r\nc:", "/a b", ""] {
            assert_eq!(UpgradeHead::new(target, FIELDS), None, "{target:?}");
        }
    }
}
