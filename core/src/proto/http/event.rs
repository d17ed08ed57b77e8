//! What a server reads from an HTTP/1.1 connection: events, and their limits.

use crate::proto::http::fields::HeadLimits;
use crate::proto::http::framing::Framing;
use crate::proto::http::request::Request;

/// The limits of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// The limits of the head. Those of the trailers and of the chunk extensions are the same.
    pub head: HeadLimits,
    /// Bytes of content.
    pub body: u64,
}

impl HttpLimits {
    /// The limits of a head, and 64 KiB of content.
    pub const DEFAULT: Self = Self {
        head: HeadLimits::DEFAULT,
        body: 64 << 10,
    };
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The result of [`HttpConnection::poll_event`](crate::proto::http::HttpConnection::poll_event).
#[derive(Clone, Copy, Debug)]
pub struct HttpStep<'a> {
    /// The number of consumed bytes. The others must be at the start of the next input.
    pub consumed: usize,
    /// The event; `None` if more bytes, or an answer, are needed first.
    pub event: Option<HttpEvent<'a>>,
}

impl<'a> HttpStep<'a> {
    pub(crate) const fn more(consumed: usize) -> Self {
        Self {
            consumed,
            event: None,
        }
    }

    pub(crate) const fn event(consumed: usize, event: HttpEvent<'a>) -> Self {
        Self {
            consumed,
            event: Some(event),
        }
    }
}

/// An event of a connection, in this order for each request: one head; if it has content, any
/// number of pieces of data and one end.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum HttpEvent<'a> {
    /// A whole head.
    Head(RequestHead<'a>),
    /// At least one byte of content, decoded, as it lies in the input. How content is divided into
    /// pieces means nothing.
    Data(&'a [u8]),
    /// The end of content.
    End,
}

/// A request head, and what it says of the connection.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    pub(crate) request: Request<'a>,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
}

impl<'a> RequestHead<'a> {
    /// Returns the request: method, target, version and fields.
    pub const fn request(&self) -> &Request<'a> {
        &self.request
    }

    /// Returns whether content follows, though perhaps only its end. Without, the request is
    /// complete.
    pub const fn has_content(&self) -> bool {
        !matches!(self.framing, Framing::Length(0))
    }

    /// Returns the length of the content in bytes; `None` if it is chunked.
    pub const fn content_length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        }
    }

    /// Returns whether the client keeps the connection after the response (RFC 9112 §9.3).
    pub const fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Returns whether the client waits for a response before it sends the content (RFC 9110
    /// §10.1.1).
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }
}
