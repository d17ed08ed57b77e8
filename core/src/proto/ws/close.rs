//! Payload of a close frame (RFC 6455 §5.5.1).

use crate::proto::ws::peer_error::PeerError;

pub use crate::proto::ws::close_code::CloseCode;

/// Parses the payload of a close frame and returns its code; `None` if the payload is empty.
///
/// # Errors
/// [`PeerError::ShortClose`] for one byte, [`PeerError::BadCloseCode`] for a code that may not be
/// sent, [`PeerError::InvalidUtf8`] for a reason that is not UTF-8.
//= rfc6455#section-5.5.1 "If there is a body, the first two bytes of the body MUST be a 2-byte..."
pub fn parse(payload: &[u8]) -> Result<Option<CloseCode>, PeerError> {
    match payload {
        [] => Ok(None),
        [_] => Err(PeerError::ShortClose),
        [high, low, reason @ ..] => {
            let code = CloseCode::new(u16::from_be_bytes([*high, *low]));
            let code = code.ok_or(PeerError::BadCloseCode)?;
            match simdutf8::basic::from_utf8(reason) {
                Ok(_) => Ok(Some(code)),
                Err(_) => Err(PeerError::InvalidUtf8),
            }
        }
    }
}
