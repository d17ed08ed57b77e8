//! Writes JSON into a buffer of the caller, without allocations of its own.

use alloc::vec::Vec;

use data_encoding::BASE64;
use serde_json::value::RawValue;

use crate::client_protocol::error::InvalidPayload;

/// An object that is being written. Members whose value is empty are left out, except with the
/// methods named `*_always`.
#[derive(Debug)]
pub(crate) struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> ObjectWriter<'o> {
    /// Writes an object whose members `fill` writes.
    pub(crate) fn write(
        out: &'o mut Vec<u8>,
        fill: impl FnOnce(&mut ObjectWriter<'_>) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        out.push(b'{');
        fill(&mut ObjectWriter {
            out,
            is_empty: true,
        })?;
        out.push(b'}');
        Ok(())
    }

    /// Writes the name of a member, and returns the buffer for its value. The names of the protocol
    /// need no escapes.
    fn member(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn separate(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }

    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        if !text.is_empty() {
            self.text_always(name, text);
        }
    }

    pub(crate) fn text_always(&mut self, name: &'static str, text: &str) {
        write_text(self.member(name), text);
    }

    pub(crate) fn number(
        &mut self,
        name: &'static str,
        number: impl itoa::Integer + Default + PartialEq,
    ) {
        if number != Default::default() {
            self.number_always(name, number);
        }
    }

    pub(crate) fn number_always(&mut self, name: &'static str, number: impl itoa::Integer) {
        let mut digits = itoa::Buffer::new();
        self.member(name)
            .extend_from_slice(digits.format(number).as_bytes());
    }

    pub(crate) fn flag(&mut self, name: &'static str, is_set: bool) {
        if is_set {
            self.member(name).extend_from_slice(b"true");
        }
    }

    pub(crate) fn payload(
        &mut self,
        name: &'static str,
        payload: &[u8],
    ) -> Result<(), InvalidPayload> {
        if payload.is_empty() {
            return Ok(());
        }
        write_payload(self.member(name), payload)
    }

    /// Writes a payload, or under another name in base64 if it is no JSON.
    pub(crate) fn payload_or_base64(
        &mut self,
        name: &'static str,
        base64_name: &'static str,
        payload: &[u8],
    ) {
        let (len, is_empty) = (self.out.len(), self.is_empty);
        if self.payload(name, payload).is_err() {
            self.out.truncate(len);
            self.is_empty = is_empty;
            write_text(self.member(base64_name), &BASE64.encode(payload));
        }
    }

    pub(crate) fn object(
        &mut self,
        name: &'static str,
        fill: impl FnOnce(&mut ObjectWriter<'_>) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        ObjectWriter::write(self.member(name), fill)
    }

    /// Writes a member of a map, whose name is any text.
    pub(crate) fn entry(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut ObjectWriter<'_>) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        self.entry_name(name);
        ObjectWriter::write(self.out, fill)
    }

    /// Writes a member of a map of texts.
    pub(crate) fn text_entry(&mut self, name: &str, text: &str) {
        self.entry_name(name);
        write_text(self.out, text);
    }

    /// Writes a member whose value is JSON.
    pub(crate) fn raw_entry(&mut self, name: &str, json: &str) {
        self.entry_name(name);
        self.out.extend_from_slice(json.as_bytes());
    }

    fn entry_name(&mut self, name: &str) {
        self.separate();
        write_text(self.out, name);
        self.out.push(b':');
    }

    /// Writes an array of objects.
    pub(crate) fn list_always<T>(
        &mut self,
        name: &'static str,
        items: &[T],
        mut fill: impl FnMut(&mut ObjectWriter<'_>, &T) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        let out = self.member(name);
        out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            ObjectWriter::write(out, |object| fill(object, item))?;
        }
        out.push(b']');
        Ok(())
    }

    pub(crate) fn list<T>(
        &mut self,
        name: &'static str,
        items: &[T],
        fill: impl FnMut(&mut ObjectWriter<'_>, &T) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        if items.is_empty() {
            return Ok(());
        }
        self.list_always(name, items, fill)
    }
}

/// Writes a text with quotes and escapes. By hand, because what serde_json has for it allocates
/// without std.
pub(in crate::client_protocol) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..at]);
        start = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

/// Writes a payload as the JSON value that it is, without newlines: between tokens they mean
/// nothing, inside texts they cannot stand, and in a message they separate replies.
fn write_payload(out: &mut Vec<u8>, payload: &[u8]) -> Result<(), InvalidPayload> {
    let value: &RawValue = serde_json::from_slice(payload).map_err(|_| InvalidPayload)?;
    // Also carriage returns: in server-sent events they end a line.
    for line in value
        .get()
        .as_bytes()
        .split(|byte| matches!(byte, b'\n' | b'\r'))
    {
        out.extend_from_slice(line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn payload(bytes: &[u8]) -> Result<Vec<u8>, InvalidPayload> {
        let mut out = Vec::new();
        write_payload(&mut out, bytes)?;
        Ok(out)
    }

    #[test]
    fn payloads_lose_their_newlines_and_nothing_else() {
        assert_eq!(
            payload(b" {\n\"a\" :\r\n [1, 2],\n\"b\":\"\\n\"}\n"),
            Ok(b"{\"a\" : [1, 2],\"b\":\"\\n\"}".to_vec())
        );
        assert_eq!(payload(b"null"), Ok(b"null".to_vec()));
        assert_eq!(payload(b"1e999"), Ok(b"1e999".to_vec()));
        assert_eq!(payload(br#""\ud800""#), Ok(br#""\ud800""#.to_vec()));
    }

    #[test]
    fn payloads_that_are_not_json_are_refused() {
        for bytes in [
            &b"boom"[..],
            b"",
            b" ",
            b"{} {}",
            b"{\"a\":1",
            b"[1,]",
            b"\"a\nb\"",
            b"\"\xFF\"",
            b"01",
            b"+1",
            b"\xEF\xBB\xBF{}",
        ] {
            assert_eq!(payload(bytes), Err(InvalidPayload), "{bytes:?}");
        }
    }

    #[test]
    fn deep_payloads_need_no_stack() {
        let deep = [vec![b'['; 50_000], vec![b']'; 50_000]].concat();
        assert_eq!(payload(&deep).map(|out| out.len()), Ok(100_000));
    }

    proptest! {
        #[test]
        fn texts_are_escaped_as_serde_json_reads_them(text in any::<String>()) {
            let mut out = Vec::new();
            write_text(&mut out, &text);
            prop_assert!(!out.iter().any(|&byte| byte < 0x20));
            let read: String = serde_json::from_slice(&out).expect("JSON");
            prop_assert_eq!(read, text);
        }
    }
}
