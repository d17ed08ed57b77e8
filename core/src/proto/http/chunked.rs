//! Decoder of the chunked transfer coding (RFC 9112 §7.1).
//!
//! Stores none of the bytes: the data of a chunk is handed out where it lies, and extensions and
//! trailers are checked and dropped. The content that is handed out and the dropped bytes are
//! bounded, so that a peer cannot keep a request going for ever.

use crate::proto::http::error::HandshakeError;
use crate::proto::http::event::HttpLimits;
use crate::proto::http::token::is_token_byte;

/// The position in a chunked body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChunkReader {
    /// Size of the current chunk; within its data, the bytes that are still to come.
    size: u64,
    /// Bytes of content in all chunks before.
    content: u64,
    /// Bytes of extensions, trailers and leading zeros.
    dropped: u32,
    /// Trailers.
    fields: u8,
    /// Digits of the current size.
    digits: u8,
    place: ChunkState,
}

/// The next byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChunkState {
    /// The first digit of a size.
    Size,
    /// A digit, or what follows the size.
    Digits,
    /// After whitespace behind a size or a value: only another extension follows.
    BeforeSemicolon,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escaped,
    AfterQuoted,
    /// The line feed of a line with a size.
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A trailer, or the empty line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

/// What is next in the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Chunk {
    /// After `skipped` bytes, `len` bytes of content.
    Data { skipped: usize, len: usize },
    /// The body ends after this number of bytes.
    End(usize),
    /// The input ends before either.
    More,
}

impl ChunkReader {
    /// Returns the start of a body.
    pub(crate) const fn new() -> Self {
        Self {
            size: 0,
            content: 0,
            dropped: 0,
            fields: 0,
            digits: 0,
            place: ChunkState::Size,
        }
    }

    /// Advances to the next content or to the end.
    ///
    /// # Errors
    /// [`Framing`](HandshakeError::Framing) if it is malformed,
    /// [`BodyTooLong`](HandshakeError::BodyTooLong) from the digit on that shows it,
    /// [`HeadTooLong`](HandshakeError::HeadTooLong) and
    /// [`TooManyHeaders`](HandshakeError::TooManyHeaders) for what is dropped.
    //= rfc9112#section-6.1 "A recipient MUST be able to parse the chunked transfer coding..."
    //= rfc9112#section-7.1 "A recipient MUST be able to parse and decode the chunked transfer..."
    pub(crate) fn read(
        &mut self,
        input: &[u8],
        limits: &HttpLimits,
    ) -> Result<Chunk, HandshakeError> {
        for (at, &byte) in input.iter().enumerate() {
            if self.place == ChunkState::Data {
                let rest = input.len() - at;
                let len = usize::try_from(self.size).map_or(rest, |size| size.min(rest));
                self.size -= len as u64;
                self.content += len as u64;
                if self.size == 0 {
                    self.place = ChunkState::DataCr;
                }
                return Ok(Chunk::Data { skipped: at, len });
            }
            self.place = self.next(byte, limits)?;
            if self.place == ChunkState::End {
                return Ok(Chunk::End(at + 1));
            }
        }
        Ok(Chunk::More)
    }

    /// Returns the place after a byte that is not content.
    //= rfc9112#section-7.1.1 "A recipient MUST ignore unrecognized chunk extensions."
    //= rfc9112#section-7.1.2 "A recipient that removes the chunked coding from a message MAY..."
    // Extensions must conform to their grammar, which has no line end in a quoted string: another
    // reader could end the line elsewhere.
    fn next(&mut self, byte: u8, limits: &HttpLimits) -> Result<ChunkState, HandshakeError> {
        let place = match (self.place, byte) {
            (ChunkState::Size | ChunkState::Digits, _) if byte.is_ascii_hexdigit() => {
                self.digit(byte, limits)?;
                return Ok(ChunkState::Digits);
            }
            (ChunkState::Digits, b'\r') => return Ok(ChunkState::SizeLf),
            (ChunkState::Name | ChunkState::Value | ChunkState::AfterQuoted, b'\r') => {
                ChunkState::SizeLf
            }
            (ChunkState::SizeLf, b'\n') => return Ok(self.start_chunk()),
            (
                ChunkState::Digits
                | ChunkState::BeforeSemicolon
                | ChunkState::Name
                | ChunkState::AfterName
                | ChunkState::Value
                | ChunkState::AfterQuoted,
                b';',
            ) => ChunkState::BeforeName,
            (
                ChunkState::Digits
                | ChunkState::BeforeSemicolon
                | ChunkState::Value
                | ChunkState::AfterQuoted,
                b' ' | b'\t',
            ) => ChunkState::BeforeSemicolon,
            (ChunkState::BeforeName, b' ' | b'\t') => ChunkState::BeforeName,
            (ChunkState::BeforeName | ChunkState::Name, _) if is_token_byte(byte) => {
                ChunkState::Name
            }
            (ChunkState::Name | ChunkState::AfterName, b' ' | b'\t') => ChunkState::AfterName,
            (ChunkState::Name | ChunkState::AfterName, b'=') => ChunkState::BeforeValue,
            (ChunkState::BeforeValue, b' ' | b'\t') => ChunkState::BeforeValue,
            (ChunkState::BeforeValue, b'"') => ChunkState::Quoted,
            (ChunkState::BeforeValue | ChunkState::Value, _) if is_token_byte(byte) => {
                ChunkState::Value
            }
            (ChunkState::Quoted, b'"') => ChunkState::AfterQuoted,
            (ChunkState::Quoted, b'\\') => ChunkState::Escaped,
            (ChunkState::Quoted | ChunkState::Escaped, _) if is_text(byte) => ChunkState::Quoted,
            (ChunkState::DataCr, b'\r') => return Ok(ChunkState::DataLf),
            (ChunkState::DataLf, b'\n') => return Ok(ChunkState::Size),
            (ChunkState::Trailer, b'\r') => return Ok(ChunkState::EndLf),
            (ChunkState::EndLf, b'\n') => return Ok(ChunkState::End),
            (ChunkState::Trailer, _) if is_token_byte(byte) => {
                if usize::from(self.fields) >= limits.head.fields {
                    return Err(HandshakeError::TooManyHeaders);
                }
                self.fields = self.fields.saturating_add(1);
                ChunkState::TrailerName
            }
            (ChunkState::TrailerName, _) if is_token_byte(byte) => ChunkState::TrailerName,
            (ChunkState::TrailerName, b':') => ChunkState::TrailerValue,
            (ChunkState::TrailerValue, b'\r') => ChunkState::TrailerLf,
            (ChunkState::TrailerValue, _) if is_text(byte) => ChunkState::TrailerValue,
            (ChunkState::TrailerLf, b'\n') => ChunkState::Trailer,
            _ => return Err(HandshakeError::Framing),
        };
        self.drop_byte(limits)?;
        Ok(place)
    }

    /// Adds a digit to the size.
    //= rfc9112#section-7.1 "recipients MUST anticipate potentially large hexadecimal numerals..."
    fn digit(&mut self, byte: u8, limits: &HttpLimits) -> Result<(), HandshakeError> {
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        if self.place == ChunkState::Size {
            (self.size, self.digits) = (0, 0);
        }
        self.digits = self.digits.saturating_add(1);
        if self.digits > MAX_DIGITS {
            self.drop_byte(limits)?;
        }
        let larger = self.size.checked_mul(16).ok_or(HandshakeError::Framing)?;
        self.size = larger | u64::from(digit);
        // The bound may have become smaller than what has come.
        if self.size > limits.body.saturating_sub(self.content) {
            return Err(HandshakeError::BodyTooLong);
        }
        Ok(())
    }

    const fn start_chunk(&self) -> ChunkState {
        match self.size {
            0 => ChunkState::Trailer,
            _ => ChunkState::Data,
        }
    }

    fn drop_byte(&mut self, limits: &HttpLimits) -> Result<(), HandshakeError> {
        self.dropped = self.dropped.saturating_add(1);
        if self.dropped as usize > limits.head.bytes {
            return Err(HandshakeError::HeadTooLong);
        }
        Ok(())
    }
}

/// Returns whether it may be in a field value or a quoted string (RFC 9110 §5.5): not a control
/// character but the tab.
pub(crate) const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// The digits of the largest size. More are leading zeros.
const MAX_DIGITS: u8 = 16;

#[cfg(test)]
mod tests;
