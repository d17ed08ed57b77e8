//! Reads the fields of a Protobuf message in place. Knows wire types, and no message.
//!
//! Source: the encoding page of protobuf.dev, proto3.

use crate::client_protocol::error::DecodeError;

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldReader<'a> {
    rest: &'a [u8],
}

/// The value of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FieldValue<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, or a group: no field of this protocol has one.
    Other,
}

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED_32: u64 = 5;

/// Numbers of fields have 29 bits.
const MAX_FIELD: u64 = (1 << 29) - 1;

impl<'a> FieldReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads an integer of up to ten bytes.
    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte has the last of 64 bits.
            if index == 9 && byte > 1 {
                return Err(DecodeError::InvalidVarint);
            }
            value |= u64::from(byte & 0x7F) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(DecodeError::Truncated)
    }

    /// Reads a length and as many bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.varint()?;
        let len = usize::try_from(len).map_err(|_| DecodeError::Truncated)?;
        self.take(len)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Reads the next field, or `None` at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u32, FieldValue<'a>)>, DecodeError> {
        if self.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            VARINT => FieldValue::Varint(self.varint()?),
            BYTES => FieldValue::Bytes(self.bytes()?),
            GROUP => {
                self.skip_group(number)?;
                FieldValue::Other
            }
            _ => {
                self.skip_fixed(wire_type)?;
                FieldValue::Other
            }
        };
        Ok(Some((number, value)))
    }

    fn tag(&mut self) -> Result<(u32, u64), DecodeError> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if !(1..=MAX_FIELD).contains(&number) {
            return Err(DecodeError::InvalidTag);
        }
        Ok((number as u32, tag & 7))
    }

    fn skip_fixed(&mut self, wire_type: u64) -> Result<(), DecodeError> {
        let len = match wire_type {
            FIXED_32 => 4,
            FIXED_64 => 8,
            _ => return Err(DecodeError::InvalidTag),
        };
        self.take(len).map(|_| ())
    }

    /// Skips a group of proto2 with all that is in it.
    fn skip_group(&mut self, number: u32) -> Result<(), DecodeError> {
        // Deeper ones are refused, so that the numbers of the open groups have a bounded place.
        let mut open = smallvec::SmallVec::<[u32; MAX_GROUPS]>::new();
        open.push(number);
        while let Some(&innermost) = open.last() {
            match self.tag()? {
                (_, VARINT) => drop(self.varint()?),
                (_, BYTES) => drop(self.bytes()?),
                (_, GROUP) if open.len() == MAX_GROUPS => return Err(DecodeError::InvalidTag),
                (number, GROUP) => open.push(number),
                (number, GROUP_END) if number == innermost => drop(open.pop()),
                (_, wire_type) => self.skip_fixed(wire_type)?,
            }
        }
        Ok(())
    }
}

/// Maximum number of groups inside one another. No client sends any.
const MAX_GROUPS: usize = 16;

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, FieldValue<'_>)>, DecodeError> {
        let mut reader = FieldReader::new(bytes);
        let mut fields = Vec::new();
        while let Some(field) = reader.field()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn fields_of_every_wire_type_are_read() {
        assert_eq!(fields(b""), Ok(Vec::new()));
        assert_eq!(
            fields(b"\x08\x96\x01"),
            Ok(vec![(1, FieldValue::Varint(150))])
        );
        assert_eq!(
            fields(b"\x12\x07testing\x08\x00"),
            Ok(vec![
                (2, FieldValue::Bytes(b"testing")),
                (1, FieldValue::Varint(0))
            ])
        );
        assert_eq!(
            fields(b"\x0D\x01\x02\x03\x04"),
            Ok(vec![(1, FieldValue::Other)])
        );
        assert_eq!(
            fields(b"\x09\x01\x02\x03\x04\x05\x06\x07\x08"),
            Ok(vec![(1, FieldValue::Other)])
        );
        // A group 1 of a field, a group 2 and a text.
        assert_eq!(
            fields(b"\x0B\x08\x01\x13\x14\x1A\x01x\x0C\x08\x05"),
            Ok(vec![(1, FieldValue::Other), (1, FieldValue::Varint(5))])
        );
    }

    #[test]
    fn what_ends_too_early_or_makes_no_sense_is_refused() {
        for (bytes, error) in [
            (&b"\x08"[..], DecodeError::Truncated),
            (b"\x08\x96", DecodeError::Truncated),
            (b"\x12\x08testing", DecodeError::Truncated),
            (
                b"\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
                DecodeError::Truncated,
            ),
            (
                b"\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02",
                DecodeError::InvalidVarint,
            ),
            (
                b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
                DecodeError::InvalidVarint,
            ),
            (b"\x0D\x01\x02\x03", DecodeError::Truncated),
            (b"\x09\x01", DecodeError::Truncated),
            (b"\x0B\x08\x01", DecodeError::Truncated),
            // The end of another group, and of none.
            (b"\x0B\x14", DecodeError::InvalidTag),
            (b"\x0C", DecodeError::InvalidTag),
            // Field 0, wire types 6 and 7, a number of 30 bits.
            (b"\x00\x00", DecodeError::InvalidTag),
            (b"\x0E", DecodeError::InvalidTag),
            (b"\x0F", DecodeError::InvalidTag),
            (b"\x80\x80\x80\x80\x10\x00", DecodeError::InvalidTag),
        ] {
            assert_eq!(fields(bytes), Err(error), "{bytes:?}");
        }
        let groups = |depth| [vec![0x0B; depth], vec![0x0C; depth]].concat();
        assert!(fields(&groups(MAX_GROUPS)).is_ok());
        assert_eq!(
            fields(&groups(MAX_GROUPS + 1)),
            Err(DecodeError::InvalidTag)
        );
    }

    proptest! {
        #[test]
        fn varints_are_read_as_prost_writes_them(value: u64) {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(value, &mut bytes);
            for end in 0..bytes.len() {
                prop_assert_eq!(FieldReader::new(&bytes[..end]).varint(), Err(DecodeError::Truncated));
            }
            bytes.push(0xFF);
            let mut reader = FieldReader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.rest, &[0xFF][..]);
        }
    }
}
