//! Owns UTF-8 validation of text that comes in pieces (RFC 6455 §8.1): a
//! sequence may be cut anywhere, and the first byte that cannot be right is an
//! error, however much of the message is still to come.

use crate::proto::ws::peer_error::PeerError;

/// Whether a whole text is UTF-8.
#[inline]
pub(crate) fn is_valid(text: &[u8]) -> bool {
    // The vectors of the library are worth their while from some length on, and
    // most short texts are ASCII.
    if text.len() < 64 {
        text.is_ascii() || core::str::from_utf8(text).is_ok()
    } else {
        simdutf8::basic::from_utf8(text).is_ok()
    }
}

/// What is left of a sequence that the last piece cut in two: at most three bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Utf8 {
    cut: [u8; 3],
    len: u8,
}

impl Utf8 {
    /// The start of a text.
    pub const fn new() -> Self {
        Self {
            cut: [0; 3],
            len: 0,
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`PeerError::InvalidUtf8`] as soon as no further piece could mend it.
    //= rfc6455#section-8.1 "When an endpoint is to interpret a byte stream as UTF-8 but finds..."
    pub fn push(&mut self, piece: &[u8]) -> Result<(), PeerError> {
        let mut rest = piece;
        // A cut sequence is completed byte by byte; it has at most three to go.
        while self.len > 0 {
            let Some((&byte, tail)) = rest.split_first() else {
                return Ok(());
            };
            rest = tail;
            let mut sequence = [0; 4];
            let len = usize::from(self.len);
            sequence[..len].copy_from_slice(&self.cut[..len]);
            sequence[len] = byte;
            match core::str::from_utf8(&sequence[..=len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(PeerError::InvalidUtf8),
                Err(_) => {
                    self.cut[len] = byte;
                    self.len += 1;
                }
            }
        }
        match simdutf8::compat::from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(PeerError::InvalidUtf8),
            Err(error) => {
                let cut = &rest[error.valid_up_to()..];
                self.cut[..cut.len()].copy_from_slice(cut);
                self.len = cut.len() as u8;
                Ok(())
            }
        }
    }

    /// Ends the text and starts over.
    ///
    /// # Errors
    /// [`PeerError::InvalidUtf8`] if it ends inside a sequence.
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
