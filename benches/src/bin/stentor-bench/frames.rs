//! Owns the bytes of messages: payloads to send, and frames around them as a
//! client or a server writes them.

use stentor_core::MessageType;
use stentor_core::proto::ws::header::{Header, encode_unmasked};
use stentor_core::proto::ws::mask;

/// Appends a message as a client sends it, in one masked frame.
pub(crate) fn client(out: &mut Vec<u8>, kind: MessageType, payload: &[&[u8]]) {
    // Not zero, so that the server has to unmask; the same each time, so that
    // it costs the generator nothing.
    let key = [0x37, 0xFA, 0x21, 0x3D];
    let header = Header {
        fin: true,
        rsv: 0,
        opcode: kind.opcode(),
        mask: Some(key),
        payload_len: payload.iter().map(|part| part.len() as u64).sum(),
    };
    let (bytes, len) = header.encode();
    out.extend_from_slice(&bytes[..len]);
    let start = out.len();
    for part in payload {
        out.extend_from_slice(part);
    }
    mask::apply(&mut out[start..], key, 0);
}

/// Appends a message as a server sends it.
pub(crate) fn server(out: &mut Vec<u8>, kind: MessageType, payload: &[u8]) {
    let (bytes, len) = encode_unmasked(kind.opcode(), payload.len());
    out.extend_from_slice(&bytes[..len]);
    out.extend_from_slice(payload);
}

/// Appends a pong that nobody has asked for, which needs no answer (RFC 6455 §5.5.3).
pub(crate) fn unsolicited_pong(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x8A, 0x80, 0x37, 0xFA, 0x21, 0x3D]);
}

/// So many bytes to send: letters if it is text; otherwise every byte there is.
pub(crate) fn payload(kind: MessageType, size: usize) -> Vec<u8> {
    let of = |at: usize| match kind {
        MessageType::Text => b'a' + (at % 26) as u8,
        MessageType::Binary => (at * 7 + at / 256) as u8,
    };
    (0..size).map(of).collect()
}

/// Writes which message it is over the beginning of its payload, as far as that
/// has room: a reader can tell that it got the right one.
pub(crate) fn number(payload: &mut [u8], sequence: u64) {
    // The digits that change most stand first, for payloads that are short.
    let mut left = sequence;
    for digit in payload.iter_mut().take(DIGITS) {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

const DIGITS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_frame_is_that_of_the_rfc() {
        let mut out = Vec::new();
        client(&mut out, MessageType::Text, &[b"Hel", b"lo"]);
        // RFC 6455 §5.7, "a single-frame masked text message".
        assert_eq!(
            out,
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".as_slice()
        );
    }

    #[test]
    fn a_server_frame_is_that_of_the_rfc() {
        let mut out = Vec::new();
        server(&mut out, MessageType::Text, b"Hello");
        assert_eq!(out, b"\x81\x05Hello".as_slice());
    }

    #[test]
    fn text_is_text_and_binary_is_not() {
        assert!(payload(MessageType::Text, 300).is_ascii());
        assert!(std::str::from_utf8(&payload(MessageType::Binary, 300)).is_err());
        assert_eq!(payload(MessageType::Binary, 300).len(), 300);
    }

    #[test]
    fn neighbours_have_different_numbers_however_short_they_are() {
        let numbered = |size, sequence| {
            let mut payload = payload(MessageType::Text, size);
            number(&mut payload, sequence);
            payload
        };
        assert_eq!(numbered(1, 37), b"7");
        assert_eq!(numbered(14, 120), b"021000000000mn");
        assert_ne!(numbered(2, 9), numbered(2, 10));
    }
}
