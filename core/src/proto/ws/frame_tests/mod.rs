//! Tests of the frame codec: fast paths against naive oracles, rules at their edges, and headers
//! and close codes against another implementation.

mod utf8;

use alloc::vec::Vec;

use proptest::prelude::*;
use tungstenite::protocol::frame::coding;

use crate::proto::ws::close;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::header;
use crate::proto::ws::header::Header;
use crate::proto::ws::mask;
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::peer_error::PeerError;

const OPCODES: [Opcode; 6] = [
    Opcode::Continuation,
    Opcode::Text,
    Opcode::Binary,
    Opcode::Close,
    Opcode::Ping,
    Opcode::Pong,
];

fn headers() -> impl Strategy<Value = Header> {
    let edges = prop::sample::select(
        &[
            0,
            1,
            125,
            126,
            127,
            128,
            0xFFFF,
            0x1_0000,
            0x1_0001,
            (1 << 63) - 1,
        ][..],
    );
    let len = prop_oneof![edges, 0..300_u64, 0..1_u64 << 63];
    let opcode = prop::sample::select(&OPCODES[..]);
    (
        any::<bool>(),
        0..8_u8,
        opcode,
        any::<Option<[u8; 4]>>(),
        len,
    )
        .prop_map(|(fin, rsv, opcode, mask, len)| {
            let control = opcode.is_control();
            let payload_len = if control { len % 126 } else { len };
            Header {
                fin: fin || control,
                rsv: rsv << 4,
                opcode,
                mask,
                payload_len,
            }
        })
}

/// Parses a header that arrives byte by byte. Returns the result and the number of bytes that it
/// took.
fn byte_by_byte(bytes: &[u8]) -> (Result<Option<(Header, usize)>, PeerError>, usize) {
    let after = |n: usize| {
        Some((Header::parse(&bytes[..n]), n)).filter(|(verdict, _)| *verdict != Ok(None))
    };
    (0..=bytes.len())
        .find_map(after)
        .unwrap_or((Ok(None), bytes.len()))
}

proptest! {
    #[test]
    fn the_mask_matches_the_naive_mask(mut payload in prop::collection::vec(any::<u8>(), 0..300), key: [u8; 4], phase: usize) {
        let mut naive = payload.clone();
        mask::apply(&mut payload, key, phase);
        mask::apply_naive(&mut naive, key, phase);
        prop_assert_eq!(payload, naive);
    }

    #[test]
    fn masking_continues_after_the_last_piece(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        key: [u8; 4],
        pieces in prop::collection::vec(0..70_usize, 0..12),
    ) {
        let mut whole = payload.clone();
        mask::apply(&mut whole, key, 0);
        let mut cut = payload.clone();
        let mut at = 0;
        for len in pieces.into_iter().chain([usize::MAX]) {
            let end = at + len.min(cut.len() - at);
            mask::apply(&mut cut[at..end], key, at);
            at = end;
        }
        prop_assert_eq!(&cut, &whole);
        mask::apply(&mut whole, key, 0);
        prop_assert_eq!(whole, payload, "masking undoes itself");
    }

    #[test]
    fn a_written_header_parses_to_itself(header in headers(), tail: [u8; 3]) {
        let (bytes, len) = header.encode();
        prop_assert_eq!(Header::parse(&[&bytes[..len], &tail].concat()), Ok(Some((header, len))));
        prop_assert_eq!(byte_by_byte(&bytes[..len]), (Ok(Some((header, len))), len));
    }

    #[test]
    fn a_header_matches_another_implementation(header in headers()) {
        let theirs = tungstenite::protocol::frame::FrameHeader {
            is_final: header.fin,
            rsv1: header.rsv & 0x40 != 0,
            rsv2: header.rsv & 0x20 != 0,
            rsv3: header.rsv & 0x10 != 0,
            opcode: coding::OpCode::from(header.opcode as u8),
            mask: header.mask,
        };
        let mut written = Vec::new();
        theirs.format(header.payload_len, &mut written).expect("written to memory");
        let (bytes, len) = header.encode();
        prop_assert_eq!(&bytes[..len], &written[..]);
    }

    #[test]
    fn split_header_bytes_have_the_same_result(bytes: [u8; header::MAX_LEN]) {
        let (first, after) = byte_by_byte(&bytes);
        for n in after..=bytes.len() {
            prop_assert_eq!(Header::parse(&bytes[..n]), first);
        }
        prop_assert_ne!(first, Ok(None), "the longest header is no longer than this");
    }
}

#[test]
fn an_invalid_header_is_an_error_at_the_first_wrong_byte() {
    use PeerError::{
        FragmentedControl, LengthNotMinimal, LengthOverflow, LongControl, ReservedOpcode,
    };
    for first in 0..=0xFF_u8 {
        let reserved = matches!(first & 0x0F, 0x3..=0x7 | 0xB..=0xF);
        let fragmented = first & 0x88 == 0x08;
        let expected = match (reserved, fragmented) {
            (true, _) => Err(ReservedOpcode),
            (_, true) => Err(FragmentedControl),
            _ => Ok(None),
        };
        assert_eq!(Header::parse(&[first]), expected, "{first:x}");
    }
    for (good, bad, error) in [
        (&[0x88][..], 126, LongControl),
        (&[0x89], 127, LongControl),
        (&[0x8A], 0x80 | 126, LongControl),
        (&[0x82, 126, 0], 0, LengthNotMinimal),
        (&[0x82, 0x80 | 126, 0], 125, LengthNotMinimal),
        (&[0x82, 127, 0, 0, 0, 0, 0], 0, LengthNotMinimal),
        (&[0x82, 0xFF, 0, 0, 0, 0, 0], 0, LengthNotMinimal),
        (&[0x82, 127], 0x80, LengthOverflow),
        (&[0x01, 0xFF], 0xFF, LengthOverflow),
    ] {
        assert_eq!(Header::parse(good), Ok(None), "{good:x?}");
        assert_eq!(
            Header::parse(&[good, &[bad]].concat()),
            Err(error),
            "{good:x?} {bad:x}"
        );
    }
}

#[test]
fn lengths_change_form_where_the_rfc_says() {
    for (len, form) in [
        (0, 2),
        (125, 2),
        (126, 4),
        (0xFFFF, 4),
        (0x1_0000, 10),
        (usize::MAX >> 1, 10),
    ] {
        let (bytes, at) = header::encode_unmasked(Opcode::Binary, len);
        assert_eq!((at, header::unmasked_len(len)), (form, form), "{len}");
        let (header, parsed) = Header::parse(&bytes[..at])
            .expect("allowed")
            .expect("whole");
        assert_eq!(
            (header.payload_len, header.mask, header.fin, parsed),
            (len as u64, None, true, form)
        );
    }
}

#[test]
fn opcodes_are_those_of_the_rfc() {
    for bits in 0..16 {
        let opcode = OPCODES.into_iter().find(|&opcode| opcode as u8 == bits);
        assert_eq!(
            Opcode::from_bits(bits),
            opcode.ok_or(PeerError::ReservedOpcode)
        );
    }
    assert_eq!(
        OPCODES.map(Opcode::is_control),
        [false, false, false, true, true, true]
    );
    assert_eq!(
        (MessageType::Text.opcode(), MessageType::Binary.opcode()),
        (Opcode::Text, Opcode::Binary)
    );
}

#[test]
fn close_codes_match_the_rfc_and_another_implementation() {
    for code in 0..=u16::MAX {
        let expected = match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(code),
            _ => None,
        };
        assert_eq!(CloseCode::new(code).map(CloseCode::get), expected, "{code}");
        // 1014 was registered after the other implementation was written.
        if code != 1014 {
            assert_eq!(
                coding::CloseCode::from(code).is_allowed(),
                expected.is_some(),
                "{code}"
            );
        }
        let payload = [&code.to_be_bytes()[..], b"why"].concat();
        assert_eq!(
            close::parse(&payload).map(|code| code.map(CloseCode::get)),
            expected.map(Some).ok_or(PeerError::BadCloseCode),
            "{code}"
        );
    }
}

#[test]
fn a_close_payload_is_empty_or_a_code_and_a_text() {
    assert_eq!(close::parse(b""), Ok(None));
    assert_eq!(close::parse(b"\x03"), Err(PeerError::ShortClose));
    assert_eq!(close::parse(b"\x03\xE8"), Ok(Some(CloseCode::NORMAL)));
    assert_eq!(
        close::parse("\u{3}\u{0}".as_bytes()),
        Err(PeerError::BadCloseCode)
    );
    assert_eq!(
        close::parse(b"\x03\xE8\xC3\xA9"),
        Ok(Some(CloseCode::NORMAL))
    );
    assert_eq!(close::parse(b"\x03\xE8\xC3"), Err(PeerError::InvalidUtf8));
    assert_eq!(
        close::parse(b"\x03\xE8\xED\xA0\x80"),
        Err(PeerError::InvalidUtf8)
    );
}
