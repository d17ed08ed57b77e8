//! Reader of the content of a request, by length or by chunks (RFC 9112 §6.3).

use crate::proto::http::chunked::{Chunk, ChunkReader};
use crate::proto::http::error::HandshakeError;
use crate::proto::http::event::{HttpEvent, HttpLimits, HttpStep};
use crate::proto::http::framing::Framing;

/// Content that is still to be received.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// This number of bytes.
    Length(u64),
    /// Chunks up to the last.
    Chunks(ChunkReader),
}

impl Content {
    /// Returns all the content of a request; `None` if it has none.
    pub(crate) const fn new(framing: Framing) -> Option<Self> {
        match framing {
            Framing::Length(0) => None,
            Framing::Length(length) => Some(Self::Length(length)),
            Framing::Chunked => Some(Self::Chunks(ChunkReader::new())),
        }
    }

    /// Returns the next piece of content, or its end.
    ///
    /// # Errors
    /// Those of [`ChunkReader::read`].
    pub(crate) fn read<'a>(
        &mut self,
        input: &'a [u8],
        limits: &HttpLimits,
    ) -> Result<HttpStep<'a>, HandshakeError> {
        match self {
            Self::Length(0) => Ok(HttpStep::event(0, HttpEvent::End)),
            Self::Length(_) if input.is_empty() => Ok(HttpStep::more(0)),
            Self::Length(rest) => {
                let len = usize::try_from(*rest).map_or(input.len(), |rest| rest.min(input.len()));
                *rest -= len as u64;
                Ok(HttpStep::event(len, HttpEvent::Data(&input[..len])))
            }
            Self::Chunks(reader) => Ok(match reader.read(input, limits)? {
                Chunk::Data { skipped, len } => {
                    let consumed = skipped + len;
                    HttpStep::event(consumed, HttpEvent::Data(&input[skipped..consumed]))
                }
                Chunk::End(len) => HttpStep::event(len, HttpEvent::End),
                Chunk::More => HttpStep::more(input.len()),
            }),
        }
    }
}
