//! Validation of UTF-8 text that arrives in pieces (RFC 6455 §8.1).
//!
//! A sequence may be split anywhere. The first invalid byte is an error, before the message is
//! complete.

use crate::proto::ws::peer_error::PeerError;

/// Returns whether a whole text is UTF-8.
#[inline]
pub(crate) fn is_valid(text: &[u8]) -> bool {
    // The library's vector code pays off for longer texts, and most short texts are ASCII.
    if text.len() < 64 {
        text.is_ascii() || core::str::from_utf8(text).is_ok()
    } else {
        simdutf8::basic::from_utf8(text).is_ok()
    }
}

/// The start of a sequence that was split at the end of the last piece: at most three bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Utf8 {
    partial: [u8; 3],
    len: u8,
}

impl Utf8 {
    /// Returns the state at the start of a text.
    pub const fn new() -> Self {
        Self {
            partial: [0; 3],
            len: 0,
        }
    }

    /// Checks the next piece.
    ///
    /// # Errors
    /// [`PeerError::InvalidUtf8`] as soon as no further piece can make the text valid.
    //= rfc6455#section-8.1 "When an endpoint is to interpret a byte stream as UTF-8 but finds..."
    pub fn push(&mut self, piece: &[u8]) -> Result<(), PeerError> {
        let mut rest = piece;
        // A split sequence is completed byte by byte; it lacks at most three.
        while self.len > 0 {
            let Some((&byte, tail)) = rest.split_first() else {
                return Ok(());
            };
            rest = tail;
            let mut sequence = [0; 4];
            let len = usize::from(self.len);
            sequence[..len].copy_from_slice(&self.partial[..len]);
            sequence[len] = byte;
            match core::str::from_utf8(&sequence[..=len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(PeerError::InvalidUtf8),
                Err(_) => {
                    self.partial[len] = byte;
                    self.len += 1;
                }
            }
        }
        match simdutf8::compat::from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(PeerError::InvalidUtf8),
            Err(error) => {
                let partial = &rest[error.valid_up_to()..];
                self.partial[..partial.len()].copy_from_slice(partial);
                self.len = partial.len() as u8;
                Ok(())
            }
        }
    }

    /// Ends the text and resets the state.
    ///
    /// # Errors
    /// [`PeerError::InvalidUtf8`] if the text ends inside a sequence.
    pub fn finish(&mut self) -> Result<(), PeerError> {
        let complete = self.len == 0;
        *self = Self::default();
        if complete {
            Ok(())
        } else {
            Err(PeerError::InvalidUtf8)
        }
    }
}
