//! Fuzzes patches: what is made of two payloads, and any bytes as a patch, against a second decoder.

use stentor_gateway::fossil;

const MOST: usize = 64 << 10;

/// The bytes before the first newline as a base, and those after it as its successor and as a patch.
///
/// # Panics
/// If a patch does not make what it was made for, or a patch is read otherwise than by the oracle.
pub fn fossil(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n');
    let (base, rest) = data.split_at(end.unwrap_or(data.len()));
    let rest = rest.get(1..).unwrap_or_default();
    for (base, target) in [(base, rest), (rest, base)] {
        let patch = fossil::create(base, target);
        check(base, &patch, Some(target));
        let texts = core::str::from_utf8(base).ok();
        if let Some((base, target)) = texts.zip(core::str::from_utf8(target).ok()) {
            let patch = fossil::create_text(base, target);
            check(base.as_bytes(), patch.as_bytes(), Some(target.as_bytes()));
        }
    }
    check(base, rest, None);
}

fn check(base: &[u8], patch: &[u8], target: Option<&[u8]>) {
    let made = fossil::apply(base, patch, MOST).ok();
    assert_eq!(made, naive(base, patch));
    if let Some(target) = target.filter(|target| target.len() <= MOST) {
        assert_eq!(made.as_deref(), Some(target));
    }
}

/// A patch as its format is described, without a look at speed.
fn naive(base: &[u8], patch: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    let len = number(patch, &mut at)?;
    if len > MOST as u64 || *patch.get(at)? != b'\n' {
        return None;
    }
    at += 1;
    let mut made = Vec::new();
    loop {
        let count = number(patch, &mut at)?;
        let command = *patch.get(at)?;
        at += 1;
        match command {
            b'@' => {
                let offset = number(patch, &mut at)?;
                if *patch.get(at)? != b',' {
                    return None;
                }
                at += 1;
                for place in offset..offset + count {
                    made.push(*base.get(usize::try_from(place).ok()?)?);
                    if made.len() as u64 > len {
                        return None;
                    }
                }
            }
            b':' => {
                for _ in 0..count {
                    made.push(*patch.get(at)?);
                    at += 1;
                }
            }
            b';' => {
                let is_whole = at == patch.len() && made.len() as u64 == len;
                return (is_whole && u64::from(sum(&made)) == count).then_some(made);
            }
            _ => return None,
        }
        if made.len() as u64 > len {
            return None;
        }
    }
}

/// At least one digit, at most what 32 bits hold.
fn number(patch: &[u8], at: &mut usize) -> Option<u64> {
    let begin = *at;
    let mut number = 0_u64;
    while let Some(&byte) = patch.get(*at) {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'_' => 36,
            b'a'..=b'z' => byte - b'a' + 37,
            b'~' => 63,
            _ => break,
        };
        number = number * 64 + u64::from(digit);
        if number > u32::MAX.into() {
            return None;
        }
        *at += 1;
    }
    (*at > begin).then_some(number)
}

fn sum(bytes: &[u8]) -> u32 {
    let mut sum = 0_u32;
    for (place, &byte) in bytes.iter().enumerate() {
        sum = sum.wrapping_add(u32::from(byte) << (24 - 8 * (place % 4)));
    }
    sum
}
