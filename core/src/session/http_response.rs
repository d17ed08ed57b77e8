//! Response of an application to a request.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use smallvec::SmallVec;

/// A response of the application. One that cannot be sent as it is becomes a 500: a name that is no
/// token, a value with control characters, or a field that the connection writes itself
/// ([`AnswerError`](crate::proto::http::AnswerError)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

impl HttpResponse {
    /// Returns a response without fields and content. The status is 200 to 599.
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            fields: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// Adds a field. `Connection`, `Content-Length`, `Transfer-Encoding` and the like are not the
    /// application's.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Returns its fields as they are written.
    pub(crate) fn borrowed_fields(&self) -> SmallVec<[(&str, &[u8]); 8]> {
        let pairs = self.fields.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect()
    }

    /// Returns the bytes of memory that it owns.
    pub(crate) fn memory(&self) -> usize {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| name.len() + value.len());
        size_of::<Self>() + self.body.len() + fields.sum::<usize>()
    }

    /// Sets the content and its media type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut response = self.field("Content-Type", content_type);
        response.body = body.into();
        response
    }
}
