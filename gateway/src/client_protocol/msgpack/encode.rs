//! Translation of JSON into MessagePack: each number and length in the shortest form. Every JSON value
//! has one, so that a payload which some receivers get keeps nobody else from theirs.
//!
//! An array or map of MessagePack begins with its length, which JSON does not say. So the text is read
//! twice: to count, and to write. Neither needs a stack that grows with the depth of a value.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Formatter};

use serde::Deserializer as _;
use serde::de::{Error, Visitor};

use crate::client_protocol::error::InvalidPayload;

/// Appends what `write` writes, which is one JSON value: it has checked what it has from others.
///
/// A number becomes an integer of 64 bits, or else a double, which is infinite for one beyond doubles.
/// What is half a surrogate pair becomes U+FFFD.
///
/// # Errors
/// Those of `write`. Nothing is appended.
pub(in crate::client_protocol) fn encode(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), InvalidPayload>,
) -> Result<(), InvalidPayload> {
    let (mut json, start) = (Vec::new(), out.len());
    write(&mut json)?;
    let translated = translate(&json, out);
    if translated.is_none() {
        out.truncate(start);
    }
    translated.ok_or(InvalidPayload)
}

/// Appends a JSON value. `None` if it is none.
fn translate(json: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut lens = lens_of(json)?.into_iter();
    for token in Tokens(json) {
        // Writing into memory does not fail.
        match token? {
            Token::BeginArray => drop(rmp::encode::write_array_len(out, lens.next()?).ok()?),
            Token::BeginMap => drop(rmp::encode::write_map_len(out, lens.next()?).ok()?),
            Token::Text(text) => write_text(out, text)?,
            Token::Literal(b"null") => rmp::encode::write_nil(out).ok()?,
            Token::Literal(b"true") => rmp::encode::write_bool(out, true).ok()?,
            Token::Literal(b"false") => rmp::encode::write_bool(out, false).ok()?,
            Token::Literal(number) => write_number(out, number)?,
            Token::End | Token::Comma => {}
        }
    }
    Some(())
}

/// Returns how many items each array and how many members each map has, in the order in which they
/// begin.
fn lens_of(json: &[u8]) -> Option<Vec<u32>> {
    let (mut lens, mut open) = (Vec::new(), Vec::new());
    let mut is_empty = false;
    for token in Tokens(json) {
        let token = token?;
        // What is not empty has one more value than commas.
        if is_empty && !matches!(token, Token::End) {
            *lens.last_mut()? = 1;
        }
        is_empty = matches!(token, Token::BeginArray | Token::BeginMap);
        match token {
            Token::BeginArray | Token::BeginMap => {
                open.push(lens.len());
                lens.push(0);
            }
            Token::Comma => {
                let len: &mut u32 = lens.get_mut(*open.last()?)?;
                *len = len.checked_add(1)?;
            }
            Token::End => {
                open.pop()?;
            }
            Token::Text(_) | Token::Literal(_) => {}
        }
    }
    open.is_empty().then_some(lens)
}

/// A part of a JSON text.
#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    BeginArray,
    BeginMap,
    /// The end of an array or map.
    End,
    Comma,
    /// A text or the name of a member, with its quotes.
    Text(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Literal(&'a [u8]),
}

/// The parts of a JSON text, without colons and white space. Ends after `None`, which is a text without
/// an end.
struct Tokens<'a>(&'a [u8]);

impl<'a> Iterator for Tokens<'a> {
    type Item = Option<Token<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b':');
        let start = self.0.iter().position(|byte| !is_between(byte))?;
        let rest = &self.0[start..];
        let len = match rest[0] {
            b'[' | b'{' | b']' | b'}' | b',' => 1,
            b'"' => {
                let Some(len) = text_len(rest) else {
                    self.0 = &[];
                    return Some(None);
                };
                len
            }
            _ => {
                let is_end = |byte: &u8| is_between(byte) || matches!(byte, b',' | b']' | b'}');
                rest.iter().position(is_end).unwrap_or(rest.len())
            }
        };
        let (token, rest) = rest.split_at(len);
        self.0 = rest;
        Some(Some(match token[0] {
            b'[' => Token::BeginArray,
            b'{' => Token::BeginMap,
            b']' | b'}' => Token::End,
            b',' => Token::Comma,
            b'"' => Token::Text(token),
            _ => Token::Literal(token),
        }))
    }
}

/// Returns the length of a text with its quotes.
fn text_len(json: &[u8]) -> Option<usize> {
    let mut len = 1;
    loop {
        len += json
            .get(len..)?
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'))?;
        match json[len] {
            b'"' => return Some(len + 1),
            _ => len += 2,
        }
    }
}

fn write_number(out: &mut Vec<u8>, number: &[u8]) -> Option<()> {
    let number = core::str::from_utf8(number).ok()?;
    if let Ok(number) = number.parse() {
        rmp::encode::write_uint(out, number).ok()?;
    } else if let Ok(number) = number.parse() {
        rmp::encode::write_sint(out, number).ok()?;
    } else {
        rmp::encode::write_f64(out, number.parse().ok()?).ok()?;
    }
    Some(())
}

/// Appends a text that is given with its quotes.
fn write_text(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let inside = text.get(1..text.len() - 1)?;
    if !inside.contains(&b'\\') {
        let text = core::str::from_utf8(inside).ok()?;
        return rmp::encode::write_str(out, text).ok();
    }
    let mut from = serde_json::Deserializer::from_slice(text);
    let text = from.deserialize_bytes(Unescaped).ok()?;
    rmp::encode::write_str(out, &text).ok()
}

/// Takes a text of which serde_json has read the escapes.
struct Unescaped;

impl Visitor<'_> for Unescaped {
    type Value = String;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    /// Half a surrogate pair comes as the three bytes, from 0xED, that UTF-8 would have for it.
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if chunk.invalid().first() == Some(&0xED) {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(text)
    }
}
