//! Filters over the tags of publications: checked when a client subscribes, then a few bytes with
//! which the core asks about each publication.
//!
//! A node is an operator in one byte; a leaf has a tag, the number of values, and the values, an inner
//! node the number of its children and the children. Texts have their length in front.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::annotation;
use crate::client_protocol::{FilterNode, MAX_FILTER_DEPTH};

/// Maximum length of a filter as it is kept, in bytes. It bounds what one subscriber costs with each
/// publication.
pub(crate) const MAX_FILTER_BYTES: usize = 8 << 10;

/// The operators of leaves, by their numbers.
const COMPARISONS: [&str; 13] = [
    "eq", "neq", "in", "nin", "ex", "nex", "sw", "ew", "ct", "lt", "lte", "gt", "gte",
];
const AND: u8 = 32;
const OR: u8 = 33;
const NOT: u8 = 34;

/// Returns a filter as the core keeps it. `None` if it makes no sense, or is longer than
/// [`MAX_FILTER_BYTES`].
pub(crate) fn compile(filter: &FilterNode<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write_node(&mut out, filter, MAX_FILTER_DEPTH)?;
    out.shrink_to_fit();
    Some(out)
}

fn write_node(out: &mut Vec<u8>, node: &FilterNode<'_>, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let is_leaf = node.op.is_empty();
    let has_leaf_fields = !(node.key.is_empty()
        && node.cmp.is_empty()
        && node.val.is_empty()
        && node.vals.is_empty());
    if !is_leaf {
        let (op, is_number_right) = match &*node.op {
            "and" => (AND, node.nodes.len() >= 2),
            "or" => (OR, node.nodes.len() >= 2),
            "not" => (NOT, node.nodes.len() == 1),
            _ => return None,
        };
        if has_leaf_fields || !is_number_right {
            return None;
        }
        out.push(op);
        write_len(out, node.nodes.len())?;
        return node
            .nodes
            .iter()
            .try_for_each(|child| write_node(out, child, depth));
    }
    if node.key.is_empty() || !node.nodes.is_empty() {
        return None;
    }
    let number = COMPARISONS.iter().position(|&cmp| cmp == node.cmp)?;
    let one = core::slice::from_ref(&node.val);
    let values = match &*node.cmp {
        "in" | "nin" if node.val.is_empty() && !node.vals.is_empty() => &node.vals[..],
        "in" | "nin" => return None,
        "ex" | "nex" if node.val.is_empty() && node.vals.is_empty() => &[],
        "ex" | "nex" => return None,
        _ if node.vals.is_empty() => one,
        _ => return None,
    };
    out.push(number as u8);
    write_text(out, &node.key)?;
    write_len(out, values.len())?;
    values.iter().try_for_each(|value| write_text(out, value))
}

fn write_len(out: &mut Vec<u8>, len: usize) -> Option<()> {
    let len = u16::try_from(len).ok()?;
    out.extend_from_slice(&len.to_be_bytes());
    (out.len() <= MAX_FILTER_BYTES).then_some(())
}

fn write_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    write_len(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    (out.len() <= MAX_FILTER_BYTES).then_some(())
}

/// Returns whether a publication with this annotation is for the subscribers with a filter.
pub(crate) fn passes(filter: &[u8], annotation: &[u8]) -> bool {
    let Some(annotation) = annotation::read(annotation) else {
        return false;
    };
    read_node(&mut &*filter, &annotation.tags).unwrap_or(false)
}

/// Reads one node with all its children, and returns what it says.
fn read_node(rest: &mut &[u8], tags: &[(&str, &str)]) -> Option<bool> {
    let (&op, after) = rest.split_first()?;
    *rest = after;
    if matches!(op, AND | OR | NOT) {
        let children = read_len(rest)?;
        let mut passed = 0;
        for _ in 0..children {
            passed += usize::from(read_node(rest, tags)?);
        }
        return Some(match op {
            AND => passed == children,
            OR => passed > 0,
            _ => passed == 0,
        });
    }
    let key = read_text(rest)?;
    let tag = tags.iter().find(|(name, _)| name.as_bytes() == key);
    let tag = tag.map(|(_, value)| value.as_bytes());
    let mut is_any = false;
    let op = *COMPARISONS.get(usize::from(op))?;
    for _ in 0..read_len(rest)? {
        let value = read_text(rest)?;
        is_any |= tag.is_some_and(|tag| compares(op, tag, value));
    }
    Some(match op {
        "ex" => tag.is_some(),
        "nex" => tag.is_none(),
        // A tag that is not there equals nothing.
        "neq" | "nin" => !is_any,
        _ => is_any,
    })
}

fn compares(op: &str, tag: &[u8], value: &[u8]) -> bool {
    match op {
        "eq" | "neq" | "in" | "nin" => tag == value,
        "sw" => tag.starts_with(value),
        "ew" => tag.ends_with(value),
        "ct" => contains(tag, value),
        "lt" => compare_decimals(tag, value).is_some_and(Ordering::is_lt),
        "lte" => compare_decimals(tag, value).is_some_and(Ordering::is_le),
        "gt" => compare_decimals(tag, value).is_some_and(Ordering::is_gt),
        "gte" => compare_decimals(tag, value).is_some_and(Ordering::is_ge),
        _ => false,
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    match (core::str::from_utf8(text), core::str::from_utf8(part)) {
        // Its time is linear in the lengths, whatever the texts are.
        (Ok(text), Ok(part)) => text.contains(part),
        _ => false,
    }
}

/// A decimal number of any length.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Decimal<'a> {
    is_negative: bool,
    /// Without zeros at its beginning.
    whole: &'a [u8],
    /// Without zeros at its end.
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let (is_negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let point = digits.iter().position(|&byte| byte == b'.');
        let (mut whole, mut fraction) = match point {
            Some(at) => (&digits[..at], &digits[at + 1..]),
            None => (digits, &[][..]),
        };
        let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        if !is_number(whole) || (point.is_some() && !is_number(fraction)) {
            return None;
        }
        while let [b'0', rest @ ..] = whole {
            whole = rest;
        }
        while let [rest @ .., b'0'] = fraction {
            fraction = rest;
        }
        Some(Self {
            is_negative: is_negative && !(whole.is_empty() && fraction.is_empty()),
            whole,
            fraction,
        })
    }

    fn cmp_magnitude(self, other: Self) -> Ordering {
        let whole = (self.whole.len(), self.whole).cmp(&(other.whole.len(), other.whole));
        whole.then_with(|| self.fraction.cmp(other.fraction))
    }
}

fn compare_decimals(one: &[u8], other: &[u8]) -> Option<Ordering> {
    let (one, other) = (Decimal::of(one)?, Decimal::of(other)?);
    Some(match (one.is_negative, other.is_negative) {
        (false, false) => one.cmp_magnitude(other),
        (true, true) => other.cmp_magnitude(one),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    })
}

fn read_len(rest: &mut &[u8]) -> Option<usize> {
    let (len, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u16::from_be_bytes(*len).into())
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = read_len(rest)?;
    let (text, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests;
