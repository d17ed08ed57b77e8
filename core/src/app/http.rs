//! Requests as the application sees them, and its decisions about them.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Deref;
use core::time::Duration;

use crate::app::Handler;
use crate::delivery::codec::Codec;
use crate::proto::http;
use crate::proto::wire::Wire;
use crate::session::http_response::HttpResponse;
use crate::session::peer::RequestOrigin;
use crate::tasks::TaskOptions;

/// A complete request, of any path and method; it dereferences to its [head](http::Request).
#[derive(Clone, Copy, Debug)]
pub struct HttpRequest<'a> {
    head: http::Request<'a>,
    body: &'a [u8],
    certificate: Option<&'a [u8]>,
    origin: RequestOrigin,
    is_upgrade: bool,
    is_internal: bool,
    is_origin_allowed: bool,
    unix_time: Duration,
}

impl<'a> HttpRequest<'a> {
    pub(crate) const fn new(
        head: http::Request<'a>,
        body: &'a [u8],
        origin: RequestOrigin,
        is_upgrade: bool,
        is_origin_allowed: bool,
        unix_time: Duration,
    ) -> Self {
        Self {
            head,
            body,
            certificate: None,
            origin,
            is_upgrade,
            is_internal: false,
            is_origin_allowed,
            unix_time,
        }
    }

    /// Sets the certificate of the client.
    pub(crate) const fn certified(mut self, certificate: Option<&'a [u8]>) -> Self {
        self.certificate = certificate;
        self
    }

    /// Sets whether it is internal.
    pub(crate) const fn internal(mut self, is_internal: bool) -> Self {
        self.is_internal = is_internal;
        self
    }

    /// Returns whether the page that makes the request, if it is one, is of an origin that may open a
    /// WebSocket here ([`Config::upgrade_policy`](crate::Config::upgrade_policy)).
    pub const fn is_origin_allowed(&self) -> bool {
        self.is_origin_allowed
    }

    /// Returns the content, at most [`max_body`](crate::Config::max_body) bytes.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns the address of the client, if the adapter has told it. Behind a trusted
    /// [proxy](crate::Config::proxies) it is the one that the proxy says; its port is 0 if the proxy
    /// does not say that.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.origin.peer.get()
    }

    /// Returns the certificate of the client in DER, if the connection has TLS and the client has shown
    /// one, which was verified.
    pub const fn client_certificate(&self) -> Option<&'a [u8]> {
        self.certificate
    }

    /// Returns whether a trusted [proxy](crate::Config::proxies) has sent it.
    pub const fn is_of_trusted_proxy(&self) -> bool {
        self.origin.is_trusted
    }

    /// Returns whether it is a valid opening handshake (RFC 6455 §4.2.1), which may be
    /// [accepted](Decision::Accept).
    pub const fn is_upgrade(&self) -> bool {
        self.is_upgrade
    }

    /// Returns whether it has come over a listener that clients cannot reach:
    /// [`Shard::accept_internal`](crate::Shard::accept_internal).
    pub const fn is_internal(&self) -> bool {
        self.is_internal
    }

    /// Returns the wall clock, as the time since the Unix epoch: zero if the adapter has told none.
    pub const fn unix_time(&self) -> Duration {
        self.unix_time
    }
}

impl<'a> Deref for HttpRequest<'a> {
    type Target = http::Request<'a>;

    fn deref(&self) -> &Self::Target {
        &self.head
    }
}

/// The answer of an application to a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Decision<H: Handler> {
    /// Opens a session on the connection. For a WebSocket, a request that is not an
    /// [upgrade](HttpRequest::is_upgrade) is refused, mostly with 426.
    Accept(Acceptance<H::State>),
    /// Refuses the request, with a status of 400 to 599; another becomes 500. The connection ends
    /// with it.
    Reject(HttpResponse),
    /// Answers the request with a page. The connection is kept if the client wants that.
    Respond(HttpResponse),
    /// Waits for the end of a task: then [`Handler::on_request_task`] decides. Requests behind this
    /// one wait as well.
    Wait(H::Task, TaskOptions),
    /// Holds the request until [`Context::respond`](crate::Context::respond) answers it. The
    /// connection has this state until then, and [`Handler::on_held`] is called at once: in the
    /// callbacks for it the application publishes, asks and submits as on behalf of a session.
    /// Requests behind this one wait as well.
    Hold(H::State),
}

impl<H: Handler> Decision<H> {
    /// Accepts an upgrade, with the subprotocol that the configuration chooses.
    pub const fn accept(state: H::State) -> Self {
        Self::Accept(Acceptance::new(state))
    }

    /// Refuses with a status and one line of text.
    pub const fn reject(status: u16) -> Self {
        Self::Reject(HttpResponse::new(status))
    }

    /// Waits for the end of a task with the usual options.
    pub fn wait(task: H::Task) -> Self {
        Self::Wait(task, TaskOptions::new())
    }
}

/// What a connection is upgraded with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acceptance<S> {
    pub(crate) state: S,
    pub(crate) subprotocol: Subprotocol,
    pub(crate) codec: Codec,
    pub(crate) wire: Wire,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

impl<S> Acceptance<S> {
    /// Returns one with this state of the connection.
    pub const fn new(state: S) -> Self {
        Self {
            state,
            subprotocol: Subprotocol::Listed,
            codec: Codec::VERBATIM,
            wire: Wire::WebSocket,
            fields: Vec::new(),
        }
    }

    /// Sets the subprotocol.
    #[must_use]
    pub const fn subprotocol(mut self, subprotocol: Subprotocol) -> Self {
        self.subprotocol = subprotocol;
        self
    }

    /// Sets the codec in which the connection gets what others publish. Its number must be below
    /// [`Handler::CODECS`]; another refuses the request with 500.
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets the wire of the connection. Only [`Wire::WebSocket`] needs an
    /// [upgrade](HttpRequest::is_upgrade).
    #[must_use]
    pub const fn wire(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// Adds a field to the response, such as a cookie.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

/// Which of the subprotocols that a client offers it gets (RFC 6455 §4.2.2).
/// Whatever this says, none but those can be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Subprotocol {
    /// The first of [`Config::subprotocols`](crate::Config::subprotocols) that
    /// the client offers; none if it offers none of them.
    #[default]
    Listed,
    /// The one at this index in [`Request::subprotocols`](http::Request::subprotocols); none if
    /// there are not so many.
    Offered(usize),
    /// None. The connection is upgraded all the same; a client that insists leaves.
    None,
}

impl Subprotocol {
    /// Returns the index in `Request::subprotocols`, given that of the listed one.
    pub(crate) const fn place(self, listed: Option<usize>) -> Option<usize> {
        match self {
            Self::Listed => listed,
            Self::Offered(place) => Some(place),
            Self::None => None,
        }
    }
}
