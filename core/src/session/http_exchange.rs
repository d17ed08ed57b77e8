//! Request that cannot be decided yet, or whose connection is kept for the next one.

use alloc::vec::Vec;

use crate::proto::http::{HttpConnection, PageIndex};

/// The state of HTTP on a connection between two calls, and what has been read of its request. Only
/// while it is needed: a request that comes whole and ends the connection, or becomes a WebSocket,
/// has none.
#[derive(Debug)]
pub(crate) struct HttpExchange {
    pub(crate) connection: HttpConnection,
    /// The head of a request whose decision waits, as it was read.
    pub(crate) head: Vec<u8>,
    /// Its content, decoded.
    pub(crate) body: Vec<u8>,
    pub(crate) waits_for: AnswerSource,
}

/// Who has the next word about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AnswerSource {
    /// The client: the rest of its content, or the next request.
    Client,
    /// The adapter, which renders this page.
    Adapter(PageIndex),
    /// A task.
    Task,
    /// The application, in one of its callbacks for the connection.
    Handler,
}

impl HttpExchange {
    /// Returns the exchange of a connection on which no request is under way.
    pub(crate) const fn new(connection: HttpConnection) -> Self {
        Self {
            connection,
            head: Vec::new(),
            body: Vec::new(),
            waits_for: AnswerSource::Client,
        }
    }

    /// Returns the bytes of memory that it owns.
    pub(crate) const fn memory(&self) -> usize {
        size_of::<Self>() + self.head.capacity() + self.body.capacity()
    }
}
