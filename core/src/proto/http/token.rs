//! Owns what a token is (RFC 9110 §5.6.2).

/// Whether it is a token. A subprotocol of
/// [`Config::subprotocols`](crate::Config::subprotocols) that is none can never
/// be chosen: tell the operator.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
