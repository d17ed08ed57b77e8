//! Parser of a response head (RFC 9112 §4, §5), with the rules of request heads.
//!
//! Does not decide whether the response opens a WebSocket.

use crate::proto::client::error::ResponseError;
use crate::proto::http::{Fields, HeadLimits, Lines, bare_lf};

/// A response head, borrowed from the received bytes.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    status: u16,
    minor_version: u8,
    lines: Lines<'a>,
}

impl<'a> Response<'a> {
    /// Parses the head at the start of `input` and returns it with its length in bytes; `None` if
    /// it is incomplete. Call it again with all bytes received so far when more arrive.
    ///
    /// # Errors
    /// [`Malformed`](ResponseError::Malformed), [`HttpVersion`](ResponseError::HttpVersion) for a
    /// version other than 1.0 and 1.1, [`HeadTooLong`](ResponseError::HeadTooLong) and
    /// [`TooManyHeaders`](ResponseError::TooManyHeaders).
    pub fn parse(
        input: &'a [u8],
        fields: &'a mut Fields<'a>,
        limits: HeadLimits,
    ) -> Result<Option<(Self, usize)>, ResponseError> {
        let within = &input[..input.len().min(limits.bytes)];
        let bare_lf = bare_lf(within);
        let strict = &within[..bare_lf.unwrap_or(within.len())];
        let mut head = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        let room = fields.storage(limits.fields);
        match parser.parse_response_with_uninit_headers(&mut head, strict, room) {
            Ok(httparse::Status::Complete(len)) => {
                let (Some(status), Some(minor_version)) = (head.code, head.version) else {
                    return Err(ResponseError::Malformed);
                };
                let lines = Lines(head.headers);
                Ok(Some((
                    Self {
                        status,
                        minor_version,
                        lines,
                    },
                    len,
                )))
            }
            Ok(httparse::Status::Partial) if bare_lf.is_some() => Err(ResponseError::Malformed),
            Ok(httparse::Status::Partial) if input.len() > limits.bytes => {
                Err(ResponseError::HeadTooLong)
            }
            Ok(httparse::Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => Err(ResponseError::TooManyHeaders),
            Err(httparse::Error::Version) => Err(ResponseError::HttpVersion),
            Err(_) => Err(ResponseError::Malformed),
        }
    }

    /// Returns the status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the digit after `HTTP/1.`: 0 or 1.
    pub const fn minor_version(&self) -> u8 {
        self.minor_version
    }

    /// Returns the value of each field line of that name, in the order sent, without surrounding
    /// whitespace. Names are case-insensitive.
    pub fn header<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.lines.named(name)
    }

    pub(super) const fn lines(&self) -> Lines<'a> {
        self.lines
    }
}
