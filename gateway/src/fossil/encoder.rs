//! What a patch copies: the longest of the blocks of the base that are found again.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::digits;

/// Length of the blocks of the base that are looked for. What is shorter is not found, but for what
/// both begin and end with.
const BLOCK: usize = 16;

/// How many blocks of the base with one hash are looked at, so that the time does not grow with the
/// square of the length.
const MOST_TRIES: usize = 32;

/// Returns a patch that makes `target` of `base`. It may be longer than `target`.
///
/// # Panics
/// If one of them has 4 GiB.
pub fn create(base: &[u8], target: &[u8]) -> Vec<u8> {
    patch(base, target, |_| true)
}

/// Returns a patch that is text: whole characters are copied and inserted.
///
/// # Panics
/// If one of them has 4 GiB.
pub fn create_text(base: &str, target: &str) -> String {
    let bytes = patch(base.as_bytes(), target.as_bytes(), |at| {
        target.is_char_boundary(at)
    });
    // What is inserted begins and ends where characters of the target do.
    String::from_utf8(bytes).unwrap_or_default()
}

/// A piece of the target that the base has too.
#[derive(Clone, Copy)]
struct Copied {
    /// Its place in the base.
    offset: usize,
    /// Its place in the target.
    start: usize,
    end: usize,
}

fn patch(base: &[u8], target: &[u8], may_cut: impl Fn(usize) -> bool) -> Vec<u8> {
    assert!(base.len().max(target.len()) <= u32::MAX as usize);
    let mut out = Vec::new();
    digits::write(&mut out, target.len() as u32);
    out.push(b'\n');
    let prefix = common(base.iter().zip(target));
    let longest = base.len().min(target.len()) - prefix;
    let suffix = common(base.iter().rev().zip(target.iter().rev())).min(longest);
    let head = Copied {
        offset: 0,
        start: 0,
        end: prefix,
    };
    let tail = Copied {
        offset: base.len() - suffix,
        start: target.len() - suffix,
        end: target.len(),
    };
    // Up to here, all is written.
    let mut done = 0;
    let mut add = |out: &mut Vec<u8>, copied: Copied| {
        let mut copied = copied;
        while copied.start < copied.end && !may_cut(copied.start) {
            copied.start += 1;
            copied.offset += 1;
        }
        while copied.start < copied.end && !may_cut(copied.end) {
            copied.end -= 1;
        }
        let len = copied.end - copied.start;
        // A copy ends an insertion, and another follows it.
        let cost = digits::len(len) + digits::len(copied.offset) + 4;
        if len <= cost {
            return done;
        }
        insert(out, &target[done..copied.start]);
        digits::write(out, len as u32);
        out.push(b'@');
        digits::write(out, copied.offset as u32);
        out.push(b',');
        done = copied.end;
        done
    };
    let mut end = add(&mut out, head);
    let mut at = end;
    if at < tail.start {
        let blocks = Blocks::new(base);
        while at + BLOCK <= tail.start {
            let found = blocks.longest(base, target, at, end..tail.start);
            let Some(found) = found else {
                at += 1;
                continue;
            };
            end = add(&mut out, found);
            at = end.max(at + 1);
        }
    }
    end = add(&mut out, tail);
    insert(&mut out, &target[end..]);
    digits::write(&mut out, digits::checksum(target));
    out.push(b';');
    out
}

fn insert(out: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() {
        digits::write(out, bytes.len() as u32);
        out.push(b':');
        out.extend_from_slice(bytes);
    }
}

/// Returns how many pairs from the first on are equal.
fn common<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    pairs.take_while(|(a, b)| a == b).count()
}

/// The blocks of the base, by hash.
struct Blocks {
    /// The last block with each hash; the number after it, 0 for none.
    last: Vec<u32>,
    /// For each block the one before it with the same hash, the same way.
    before: Vec<u32>,
}

impl Blocks {
    fn new(base: &[u8]) -> Self {
        let count = base.len() / BLOCK;
        let mut blocks = Self {
            last: vec![0; count.next_power_of_two().max(2)],
            before: vec![0; count],
        };
        for (number, block) in base.chunks_exact(BLOCK).enumerate() {
            let place = blocks.place(block);
            blocks.before[number] = blocks.last[place];
            blocks.last[place] = number as u32 + 1;
        }
        blocks
    }

    fn place(&self, block: &[u8]) -> usize {
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        let (words, _) = block.as_chunks::<8>();
        let hash = words.iter().fold(0_u64, |hash, &word| {
            (hash.rotate_left(29) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR)
        });
        (hash >> 32) as usize & (self.last.len() - 1)
    }

    /// Returns the longest piece around a block of the target that the base has, within this
    /// part of the target.
    fn longest(
        &self,
        base: &[u8],
        target: &[u8],
        at: usize,
        within: Range<usize>,
    ) -> Option<Copied> {
        let block = target.get(at..at + BLOCK)?;
        let mut next = self.last[self.place(block)];
        let mut longest: Option<Copied> = None;
        for _ in 0..MOST_TRIES {
            let Some(number) = next.checked_sub(1) else {
                break;
            };
            next = self.before[number as usize];
            let offset = number as usize * BLOCK;
            if base[offset..offset + BLOCK] != *block {
                continue;
            }
            let behind = base[offset..].iter().zip(&target[at..within.end]);
            let before = base[..offset]
                .iter()
                .rev()
                .zip(target[within.start..at].iter().rev());
            let (behind, before) = (common(behind), common(before));
            let found = Copied {
                offset: offset - before,
                start: at - before,
                end: at + behind,
            };
            let is_longer = |other: Copied| found.end - found.start > other.end - other.start;
            if longest.is_none_or(is_longer) {
                longest = Some(found);
            }
        }
        longest
    }
}
