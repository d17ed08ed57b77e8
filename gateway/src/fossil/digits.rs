//! Numbers and checksum of the format.

use alloc::vec::Vec;

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// Appends a number.
pub(super) fn write(out: &mut Vec<u8>, number: u32) {
    let digits = (32 - number.leading_zeros()).div_ceil(6).max(1);
    for place in (0..digits).rev() {
        out.push(DIGITS[(number >> (6 * place)) as usize & 63]);
    }
}

/// Returns how many digits a number has.
pub(super) const fn len(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    if bits == 0 {
        1
    } else {
        bits.div_ceil(6) as usize
    }
}

/// Takes a number, which may have no digit, from the front. `None` if it is too large.
pub(super) fn read(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    while let Some((&byte, after)) = rest.split_first()
        && let Some(digit) = DIGITS.iter().position(|&digit| digit == byte)
    {
        if number >> 26 > 0 {
            return None;
        }
        number = number << 6 | digit as u32;
        *rest = after;
    }
    Some(number)
}

/// Returns the checksum.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let (words, tail) = bytes.as_chunks::<4>();
    let words = words.iter().map(|&word| u32::from_be_bytes(word));
    let sum = words.fold(0, u32::wrapping_add);
    let mut last = [0; 4];
    last[..tail.len()].copy_from_slice(tail);
    sum.wrapping_add(u32::from_be_bytes(last))
}
