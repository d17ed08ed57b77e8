//! Test messages: payloads, and the frames that clients and servers send them in.

use stentor_core::MessageType;
use stentor_core::proto::ws::header::{Header, encode_unmasked};
use stentor_core::proto::ws::mask;
use stentor_core::proto::ws::opcode::Opcode;

/// Appends a message as a client sends it, in one masked frame. The payload is given in parts.
pub fn client_frame(out: &mut Vec<u8>, kind: MessageType, payload: &[&[u8]]) {
    masked_frame(out, kind.opcode(), payload);
}

/// Appends a pong as a client sends it.
pub fn client_pong(out: &mut Vec<u8>, payload: &[u8]) {
    masked_frame(out, Opcode::Pong, &[payload]);
}

fn masked_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[&[u8]]) {
    let header = Header {
        fin: true,
        rsv: 0,
        opcode,
        mask: Some(KEY),
        payload_len: payload.iter().map(|part| part.len() as u64).sum(),
    };
    let (bytes, len) = header.encode();
    out.extend_from_slice(&bytes[..len]);
    let start = out.len();
    for part in payload {
        out.extend_from_slice(part);
    }
    mask::apply(&mut out[start..], KEY, 0);
}

/// Appends a message as a server sends it.
pub fn server_frame(out: &mut Vec<u8>, kind: MessageType, payload: &[u8]) {
    let (bytes, len) = encode_unmasked(kind.opcode(), payload.len());
    out.extend_from_slice(&bytes[..len]);
    out.extend_from_slice(payload);
}

/// Returns a payload of this size: letters as text, every byte value as binary.
pub fn payload(kind: MessageType, size: usize) -> Vec<u8> {
    let byte = |at: usize| match kind {
        MessageType::Text => b'a' + (at % 26) as u8,
        MessageType::Binary => (at * 7 + at / 256) as u8,
    };
    (0..size).map(byte).collect()
}

/// Writes the number of a message over the beginning of its payload, as far as it fits, so that a
/// reader can tell messages apart.
pub fn write_number(payload: &mut [u8], number: u64) {
    // The least significant digit comes first, because a short payload holds only a few digits.
    let mut rest = number;
    for digit in payload.iter_mut().take(DIGITS) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// The mask key of every frame: not zero, so that the server has to unmask, and always the same,
/// so that the generator needs no random numbers.
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const DIGITS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_frame_is_that_of_the_rfc() {
        let mut out = Vec::new();
        client_frame(&mut out, MessageType::Text, &[b"Hel", b"lo"]);
        // RFC 6455 §5.7, "a single-frame masked text message".
        assert_eq!(
            out,
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".as_slice()
        );
    }

    #[test]
    fn a_server_frame_is_that_of_the_rfc() {
        let mut out = Vec::new();
        server_frame(&mut out, MessageType::Text, b"Hello");
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
            write_number(&mut payload, sequence);
            payload
        };
        assert_eq!(numbered(1, 37), b"7");
        assert_eq!(numbered(14, 120), b"021000000000mn");
        assert_ne!(numbered(2, 9), numbered(2, 10));
    }

    #[test]
    fn a_pong_is_masked_and_has_the_payload() {
        let mut out = Vec::new();
        client_pong(&mut out, b"?");
        assert_eq!(out, [0x8A, 0x81, 0x37, 0xFA, 0x21, 0x3D, b'?' ^ 0x37]);
    }
}
