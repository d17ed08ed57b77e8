//! Tests of UTF-8 in pieces against the table of the standard.

use alloc::string::String;
use alloc::vec;

use proptest::prelude::*;

use crate::proto::ws::peer_error::PeerError;
use crate::proto::ws::utf8::Utf8;

proptest! {
    #[test]
    fn split_text_has_the_same_result(
        text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            any::<String>().prop_map(String::into_bytes),
        ],
        flip in any::<prop::sample::Index>(),
        with in any::<Option<u8>>(),
        pieces in prop::collection::vec(0..9_usize, 0..30),
    ) {
        let mut text = text;
        if let (Some(byte), false) = (with, text.is_empty()) {
            let at = flip.index(text.len());
            text[at] = byte;
        }
        check_utf8(&text, &pieces)?;
    }

    #[test]
    fn edge_bytes_match_the_oracle(
        text in prop::collection::vec(prop::sample::select(AWKWARD), 0..24),
        pieces in prop::collection::vec(0..5_usize, 0..24),
    ) {
        check_utf8(&text, &pieces)?;
    }
}

/// Pushes `text` in pieces of these lengths, then the rest, and compares with the oracle.
fn check_utf8(text: &[u8], pieces: &[usize]) -> Result<(), TestCaseError> {
    let (impossible, complete) = naive_utf8(text);
    let mut state = Utf8::default();
    let mut at = 0;
    for &len in pieces.iter().chain([&usize::MAX]) {
        let end = at + len.min(text.len() - at);
        let is_error = impossible.is_some_and(|byte| byte < end);
        let expected = if is_error {
            Err(PeerError::InvalidUtf8)
        } else {
            Ok(())
        };
        prop_assert_eq!(
            state.push(&text[at..end]),
            expected,
            "{:x?} from {} to {}",
            text,
            at,
            end
        );
        if is_error {
            return Ok(());
        }
        at = end;
    }
    prop_assert_eq!(state.finish().is_ok(), complete);
    prop_assert_eq!(complete, core::str::from_utf8(text).is_ok());
    prop_assert_eq!(state, Utf8::default(), "it starts over");
    Ok(())
}

/// The table of well-formed byte sequences (Unicode 3.9, table 3-7; RFC 3629 §4), one byte at a
/// time. Returns the position of the first invalid byte, and whether the text is complete.
fn naive_utf8(text: &[u8]) -> (Option<usize>, bool) {
    let mut next = (0x80, 0xBF);
    let mut to_come = 0;
    for (at, &byte) in text.iter().enumerate() {
        if to_come > 0 {
            if byte < next.0 || byte > next.1 {
                return (Some(at), false);
            }
            next = (0x80, 0xBF);
            to_come -= 1;
            continue;
        }
        (to_come, next) = match byte {
            0x00..=0x7F => (0, next),
            0xC2..=0xDF => (1, (0x80, 0xBF)),
            0xE0 => (2, (0xA0, 0xBF)),
            0xED => (2, (0x80, 0x9F)),
            0xE1..=0xEF => (2, (0x80, 0xBF)),
            0xF0 => (3, (0x90, 0xBF)),
            0xF1..=0xF3 => (3, (0x80, 0xBF)),
            0xF4 => (3, (0x80, 0x8F)),
            _ => return (Some(at), false),
        };
    }
    (None, to_come == 0)
}

/// The first and last bytes of every row of the table, and their neighbours.
const AWKWARD: &[u8] = &[
    0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC,
    0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFE, 0xFF,
];

#[test]
fn every_two_bytes_and_table_row_match_the_oracle() {
    let check = |text: &[u8]| {
        for cut in 0..=text.len() {
            check_utf8(text, &[cut]).expect("as the oracle says");
        }
        check_utf8(text, &[1; 8]).expect("as the oracle says");
    };
    for first in 0..=0xFF {
        for second in 0..=0xFF {
            check(&[first, second]);
        }
    }
    for &first in AWKWARD {
        for &second in AWKWARD {
            for &third in AWKWARD {
                check(&[first, second, third]);
                check(&[first, second, third, 0x80]);
                check(&[first, second, third, 0x41]);
            }
        }
    }
}

#[test]
fn invalid_text_fails_at_the_first_wrong_byte() {
    for (good, bad) in [
        (&b""[..], 0x80),
        (b"", 0xC0),
        (b"", 0xC1),
        (b"", 0xF5),
        (b"", 0xFF),
        (b"\xE0", 0x80),
        (b"\xED", 0xA0),
        (b"\xF0", 0x80),
        (b"\xF4", 0x90),
        (b"\xC2", 0x41),
        (b"\xE2\x82", 0x41),
        (b"\xF0\x9F\x98", 0xC2),
    ] {
        for padding in [0, 1, 63, 64, 65, 500] {
            let mut state = Utf8::default();
            assert_eq!(
                state.push(&[&vec![b'a'; padding], good].concat()),
                Ok(()),
                "{good:x?} after {padding}"
            );
            assert_eq!(
                state.push(&[bad]),
                Err(PeerError::InvalidUtf8),
                "{good:x?} {bad:x} after {padding}"
            );
            let whole = [&vec![b'a'; padding], good, &[bad], &vec![b'a'; padding]].concat();
            assert_eq!(Utf8::default().push(&whole), Err(PeerError::InvalidUtf8));
        }
    }
    let mut cut = Utf8::default();
    assert_eq!(
        (cut.push(b"\xF0\x9F"), cut.finish()),
        (Ok(()), Err(PeerError::InvalidUtf8))
    );
    assert_eq!(
        (cut.push(b"a"), cut.finish()),
        (Ok(()), Ok(())),
        "nothing is left of the text before"
    );
}
