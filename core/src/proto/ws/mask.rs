//! Masking (RFC 6455 §5.3): exclusive-or with a four-byte key.

/// Masks or unmasks `payload` in place. `phase` is the number of preceding bytes of the frame's
/// payload, so that a frame may be processed in pieces; only its value modulo four matters.
///
/// A plain loop over chunks, which the compiler vectorizes: no unsafe code, at memory speed.
#[inline]
//= rfc6455#section-5.3 "Octet i of the transformed data ("transformed-octet-i") is the XOR of..."
pub fn apply(payload: &mut [u8], key: [u8; 4], phase: usize) {
    let mut rotated = key;
    rotated.rotate_left(phase % 4);
    let word = u32::from_ne_bytes(rotated);
    let wide = [word; CHUNK / 4];
    let mut chunks = payload.chunks_exact_mut(CHUNK);
    for chunk in &mut chunks {
        for (four, key) in chunk.chunks_exact_mut(4).zip(wide) {
            apply_word(four, key);
        }
    }
    let mut words = chunks.into_remainder().chunks_exact_mut(4);
    for four in &mut words {
        apply_word(four, word);
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(rotated) {
        *byte ^= key;
    }
}

#[inline]
fn apply_word(four: &mut [u8], key: u32) {
    let masked = u32::from_ne_bytes([four[0], four[1], four[2], four[3]]) ^ key;
    four.copy_from_slice(&masked.to_ne_bytes());
}

/// [`apply`] as in the RFC, one byte at a time: the oracle of tests and the baseline of benches.
pub fn apply_naive(payload: &mut [u8], key: [u8; 4], phase: usize) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[(phase % 4 + i) % 4];
    }
}

const CHUNK: usize = 32;
