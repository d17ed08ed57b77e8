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

/// Returns as much of a reason as fits into a close frame beside its code.
//= rfc6455#section-5.5 "All control frames MUST have a payload length of 125 bytes or..."
pub(crate) fn fitting_reason(reason: &str) -> &str {
    let mut len = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(len) {
        len -= 1;
    }
    &reason[..len]
}

/// Bytes of a reason at most: a control frame has 125, of which the code takes two.
const MAX_REASON: usize = 123;

#[cfg(test)]
mod tests {
    use super::fitting_reason;

    #[test]
    fn a_reason_is_cut_between_characters() {
        for (len, kept) in [(0, 0), (122, 122), (123, 123), (124, 123), (300, 123)] {
            assert_eq!(fitting_reason(&"a".repeat(len)).len(), kept);
        }
        assert_eq!(fitting_reason(&"\u{e4}".repeat(70)).len(), 122);
        assert_eq!(fitting_reason(&"\u{20ac}".repeat(41)).len(), 123);
        assert_eq!(fitting_reason(&"\u{1f600}".repeat(31)).len(), 120);
    }
}
