//! Writes the fields of Protobuf messages, or counts their bytes: a message inside another has its
//! length in front, which is counted first, so that nothing is allocated or moved.

use alloc::vec::Vec;

/// A message that can be written.
pub(super) trait ProtobufMessage {
    /// Writes its fields; zero, empty and absent ones are left out.
    fn write<S: Sink>(&self, out: &mut S);
}

/// What fields are written to.
pub(super) trait Sink {
    /// Takes bytes.
    fn raw(&mut self, bytes: &[u8]);

    /// Takes a message that has this length.
    fn body(&mut self, len: usize, message: &impl ProtobufMessage);
}

impl Sink for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn body(&mut self, _: usize, message: &impl ProtobufMessage) {
        message.write(self);
    }
}

/// Counts bytes.
#[derive(Default)]
struct LengthCounter(usize);

impl Sink for LengthCounter {
    fn raw(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn body(&mut self, len: usize, _: &impl ProtobufMessage) {
        self.0 += len;
    }
}

/// Writes a message with its length in front.
pub(super) fn write_delimited(out: &mut impl Sink, message: &impl ProtobufMessage) {
    let mut counter = LengthCounter::default();
    message.write(&mut counter);
    write_varint(out, counter.0 as u64);
    out.body(counter.0, message);
}

fn write_varint(out: &mut impl Sink, mut value: u64) {
    let mut bytes = [0; 10];
    let mut len = 0;
    while value >= 0x80 {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    out.raw(&bytes[..=len]);
}

fn write_tag(out: &mut impl Sink, number: u32, wire_type: u64) {
    write_varint(out, u64::from(number) << 3 | wire_type);
}

pub(super) fn number(out: &mut impl Sink, number: u32, value: u64) {
    if value != 0 {
        write_tag(out, number, 0);
        write_varint(out, value);
    }
}

/// Writes an `int32` or `int64`; negative ones have ten bytes.
pub(super) fn signed(out: &mut impl Sink, number: u32, value: i64) {
    self::number(out, number, value.cast_unsigned());
}

/// Writes a `sint64`.
pub(super) fn zigzag(out: &mut impl Sink, number: u32, value: i64) {
    self::number(out, number, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

pub(super) fn flag(out: &mut impl Sink, number: u32, is_set: bool) {
    self::number(out, number, u64::from(is_set));
}

pub(super) fn bytes(out: &mut impl Sink, number: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        bytes_always(out, number, bytes);
    }
}

pub(super) fn text(out: &mut impl Sink, number: u32, text: &str) {
    bytes(out, number, text.as_bytes());
}

fn bytes_always(out: &mut impl Sink, number: u32, bytes: &[u8]) {
    write_tag(out, number, 2);
    write_varint(out, bytes.len() as u64);
    out.raw(bytes);
}

/// Writes a message as a field, also if it is empty.
pub(super) fn message(out: &mut impl Sink, number: u32, message: &impl ProtobufMessage) {
    write_tag(out, number, 2);
    write_delimited(out, message);
}

/// Writes a list of messages.
pub(super) fn list<M: ProtobufMessage>(out: &mut impl Sink, number: u32, messages: &[M]) {
    for message in messages {
        self::message(out, number, message);
    }
}

/// Writes a map of messages.
pub(super) fn map<M: ProtobufMessage>(out: &mut impl Sink, number: u32, entries: &[(&str, M)]) {
    for (key, value) in entries {
        message(out, number, &EntryField { key, value });
    }
}

/// Writes a map of texts.
pub(super) fn text_map(out: &mut impl Sink, number: u32, entries: &[(&str, &str)]) {
    for (key, value) in entries {
        message(out, number, &TextEntryField { key, value });
    }
}

struct EntryField<'a, M> {
    key: &'a str,
    value: &'a M,
}

impl<M: ProtobufMessage> ProtobufMessage for EntryField<'_, M> {
    fn write<S: Sink>(&self, out: &mut S) {
        bytes_always(out, 1, self.key.as_bytes());
        message(out, 2, self.value);
    }
}

struct TextEntryField<'a> {
    key: &'a str,
    value: &'a str,
}

impl ProtobufMessage for TextEntryField<'_> {
    fn write<S: Sink>(&self, out: &mut S) {
        bytes_always(out, 1, self.key.as_bytes());
        bytes_always(out, 2, self.value.as_bytes());
    }
}
