//! Grammar of a token (RFC 9110 §5.6.2).

/// Returns whether it is a token. A subprotocol that is not a token can never be chosen.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
