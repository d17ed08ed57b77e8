//! `Sec-WebSocket-Key` and its response, `Sec-WebSocket-Accept` (RFC 6455 §4.2.1, §4.2.2).
//!
//! Does not generate nonces.

use sha1::{Digest, Sha1};

/// Returns the `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2): SHA-1 of the key
/// and a fixed text, in base64.
//= rfc6455#section-4.2.2 "A |Sec-WebSocket-Accept| header field. The value of this header field..."
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT_LEN] {
    let digest: [u8; 20] = Sha1::new()
        .chain_update(key)
        .chain_update(GUID)
        .finalize()
        .into();
    base64(&digest)
}

/// Returns the `Sec-WebSocket-Key` for a nonce (RFC 6455 §4.1): its base64.
pub(crate) fn encode_key(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    base64(&nonce)
}

/// Encodes bytes in base64 (RFC 4648 §4); the result has `N` characters with the padding.
fn base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [b'='; N];
    for (four, three) in out.chunks_exact_mut(4).zip(bytes.chunks(3)) {
        let mut bits = [0; 4];
        bits[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(bits);
        for (i, digit) in four.iter_mut().enumerate().take(three.len() + 1) {
            *digit = BASE64[(bits >> (18 - 6 * i)) as usize & 63];
        }
    }
    out
}

/// Returns whether it is the base64 of 16 bytes: 22 characters and the padding. The four unused
/// bits of the last character may be set, as in an example of the RFC (§4.1,
/// `AQIDBAUGBwgJCgsMDQ4PEC==`): RFC 4648 §3.5 leaves that to the decoder, and the text itself is
/// hashed.
pub(crate) fn is_key(key: &[u8]) -> bool {
    key.strip_suffix(b"==").is_some_and(|digits| {
        digits.len() == 22 && digits.iter().all(|digit| BASE64.contains(digit))
    })
}

/// The length of a `Sec-WebSocket-Key`.
pub(crate) const KEY_LEN: usize = 24;
/// The length of a `Sec-WebSocket-Accept`.
pub(crate) const ACCEPT_LEN: usize = 28;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_keys_match_the_rfc_and_another_encoder() {
        for (key, accept) in [
            (
                &b"dGhlIHNhbXBsZSBub25jZQ=="[..],
                b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            ),
            (b"AAAAAAAAAAAAAAAAAAAAAA==", b"ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
            (b"/////////////////////w==", b"XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
            (b"x3JJHMbDL1EzLkh9GBhXDw==", b"HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
            (b"", b"Kfh9QIsMVZcl6xEPYxPHzW8SZ8w="),
        ] {
            assert_eq!(&accept_key(key), accept);
        }
    }

    #[test]
    fn a_nonce_is_encoded_as_a_key() {
        for (nonce, key) in [
            (*b"the sample nonce", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ([0; 16], b"AAAAAAAAAAAAAAAAAAAAAA=="),
            ([0xFF; 16], b"/////////////////////w=="),
        ] {
            assert_eq!(&encode_key(nonce), key);
            assert!(is_key(&encode_key(nonce)));
        }
    }

    #[test]
    fn a_key_is_base64_of_sixteen_bytes_with_any_last_bits() {
        for good in [
            &b"dGhlIHNhbXBsZSBub25jZQ=="[..],
            b"AAAAAAAAAAAAAAAAAAAAAA==",
            b"/+/+/+/+/+/+/+/+/+/+/w==",
            b"AQIDBAUGBwgJCgsMDQ4PEC==",
        ] {
            assert!(is_key(good));
        }
        for last in b' '..=b'~' {
            let mut key = *b"AAAAAAAAAAAAAAAAAAAAAA==";
            key[21] = last;
            assert_eq!(
                is_key(&key),
                last.is_ascii_alphanumeric() || b"+/".contains(&last),
                "{}",
                char::from(last)
            );
        }
    }
}
