//! Response of an admin page: status, content type, body.

use serde_json::Value;
use stentor_core::proto::http::{AnswerError, HttpConnection};

use crate::metrics;
use crate::pages::{self, PLAIN};

/// The response to a request for an admin page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminReply {
    status: Status,
    kind: &'static str,
    /// The methods of the page, if the request asks for them or uses another one.
    allow: Option<&'static str>,
    body: String,
}

/// The statuses of admin pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    BadMethod,
    Unavailable,
    Timeout,
}

impl AdminReply {
    pub(super) fn json(status: Status, value: &Value) -> Self {
        Self {
            status,
            kind: "application/json",
            allow: None,
            body: format!("{value:#}\n"),
        }
    }

    pub(super) fn text(status: Status, text: &str) -> Self {
        Self {
            status,
            kind: PLAIN,
            allow: None,
            body: format!("{text}\n"),
        }
    }

    pub(super) fn metrics(page: &str) -> Self {
        Self {
            status: Status::Ok,
            kind: metrics::CONTENT_TYPE,
            allow: None,
            body: page.into(),
        }
    }

    /// Returns the response to OPTIONS.
    pub(super) fn methods(allow: &'static str) -> Self {
        Self {
            status: Status::Ok,
            kind: PLAIN,
            allow: Some(allow),
            body: String::new(),
        }
    }

    pub(super) fn bad_method(allow: &'static str) -> Self {
        let text = format!("this page takes {allow}");
        Self {
            allow: Some(allow),
            ..Self::text(Status::BadMethod, &text)
        }
    }

    /// Returns the status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self.status {
            Status::Ok => 200,
            Status::BadRequest => 400,
            Status::Forbidden => 403,
            Status::NotFound => 404,
            Status::BadMethod => 405,
            Status::Unavailable => 503,
            Status::Timeout => 504,
        }
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Appends the response to the request that `http` has read.
    ///
    /// # Errors
    /// If no request waits for a response.
    pub fn write(&self, http: &mut HttpConnection, out: &mut Vec<u8>) -> Result<(), AnswerError> {
        let allow = self.allow.map(|methods| ("Allow", methods));
        let fields = allow.into_iter().chain([("Content-Type", self.kind)]);
        let fields: Vec<_> = fields
            .chain(pages::FIELDS)
            .map(|(name, value)| (name, value.as_bytes()))
            .collect();
        http.write_response(out, self.status(), &fields, self.body.as_bytes())
    }
}
