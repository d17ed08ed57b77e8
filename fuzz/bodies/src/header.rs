//! Fuzzes the frame header: one verdict however the bytes are cut, the fields
//! that the RFC's picture shows, and a way back.

use stentor_core::proto::ws::PeerError;
use stentor_core::testing::wire::{Header, MAX_LEN};

/// Any bytes as a frame header.
///
/// # Panics
/// If the verdict depends on how the bytes are cut, differs from a naive
/// reading of RFC 6455 §5.2, or the header is not written as it was read.
pub fn header(data: &[u8]) {
    let input = &data[..data.len().min(64)];
    let mut verdict = Ok(None);
    for n in 0..=input.len() {
        let now = Header::parse(&input[..n]);
        if verdict != Ok(None) {
            assert_eq!(now, verdict, "after {n} bytes");
        }
        verdict = now;
    }
    match verdict {
        Ok(None) => assert!(input.len() < MAX_LEN, "the longest header is no longer"),
        Ok(Some((header, len))) => {
            assert_eq!(naive(input), Some(Ok((header.payload_len, len))));
            assert_eq!(header.fin, input[0] >= 0x80);
            assert_eq!(header.rsv | header.opcode as u8, input[0] & 0x7F);
            let key = (input[1] >= 0x80).then(|| &input[len - 4..len]);
            assert_eq!(header.mask.as_ref().map(|key| &key[..]), key);
            let (written, n) = header.encode();
            assert_eq!(
                &written[..n],
                &input[..len],
                "the shortest form is the only one"
            );
        }
        Err(error) => match naive(input) {
            Some(Err(errors)) => assert!(errors.contains(&error), "{error:?} of {errors:?}"),
            other => panic!("{error:?} {other:?}"),
        },
    }
}

/// The length of the payload and of the header, or all that is wrong with it;
/// `None` if it is not all there and nothing is wrong so far.
fn naive(input: &[u8]) -> Option<Result<(u64, usize), Vec<PeerError>>> {
    let mut errors = Vec::new();
    let first = *input.first()?;
    let opcode = first & 15;
    if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
        errors.push(PeerError::ReservedOpcode);
    }
    if opcode >= 8 && first < 128 {
        errors.push(PeerError::FragmentedControl);
    }
    let second = input.get(1).copied();
    let more = match second.map(|byte| byte & 127) {
        Some(126) => 2,
        Some(127) => 8,
        _ => 0,
    };
    if opcode >= 8 && more > 0 {
        errors.push(PeerError::LongControl);
    }
    let there = input.get(2..).unwrap_or_default();
    let there = &there[..there.len().min(more)];
    let len = there
        .iter()
        .fold(0_u64, |len, &byte| len << 8 | u64::from(byte));
    if more == 8 && there.first().is_some_and(|&top| top >= 128) {
        errors.push(PeerError::LengthOverflow);
    }
    let least = if more == 8 { 65_536 } else { 126 };
    let short = there.len() == more && len < least;
    // A long length is known to be too short before its last two bytes.
    let early = more == 8 && there.len() >= 6 && there[..6] == [0; 6];
    if more > 0 && (short || early) {
        errors.push(PeerError::LengthNotMinimal);
    }
    if !errors.is_empty() {
        return Some(Err(errors));
    }
    let len = if more == 0 {
        u64::from(second? & 127)
    } else {
        len
    };
    let header = 2 + more + if second? >= 128 { 4 } else { 0 };
    (input.len() >= header).then_some(Ok((len, header)))
}
