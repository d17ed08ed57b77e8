//! Translation of JSON into MessagePack: each number and length in the shortest form.

use alloc::vec::Vec;
use core::fmt::{self, Formatter};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use crate::client_protocol::error::InvalidPayload;

/// Appends what `write` writes as JSON.
///
/// # Errors
/// It is no JSON, has numbers that no float can have or texts that are no Unicode, or is too deep.
/// Nothing is appended.
pub(in crate::client_protocol) fn encode(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), InvalidPayload>,
) -> Result<(), InvalidPayload> {
    let (mut json, start) = (Vec::new(), out.len());
    write(&mut json)?;
    let mut from = serde_json::Deserializer::from_slice(&json);
    let written = Value(out).deserialize(&mut from).and_then(|()| from.end());
    written.map_err(|_| {
        out.truncate(start);
        InvalidPayload
    })
}

/// The place for a value.
struct Value<'o>(&'o mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

/// Returns the result of writing into memory, which does not fail.
fn written<T, W, E: Error>(result: Result<T, W>) -> Result<(), E> {
    result.map(|_| ()).map_err(|_| E::custom("not written"))
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        written(rmp::encode::write_nil(self.0))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        written(rmp::encode::write_bool(self.0, value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        written(rmp::encode::write_uint(self.0, value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        written(rmp::encode::write_sint(self.0, value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        written(rmp::encode::write_f64(self.0, value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        written(rmp::encode::write_str(self.0, value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let (start, mut len) = (begin(self.0), 0);
        while items.next_element_seed(Value(self.0))?.is_some() {
            len += 1;
        }
        let mut head = Vec::with_capacity(MAX_HEAD);
        written(rmp::encode::write_array_len(&mut head, len))?;
        end(self.0, start, &head);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let (start, mut len) = (begin(self.0), 0);
        while members.next_key_seed(Value(self.0))?.is_some() {
            members.next_value_seed(Value(self.0))?;
            len += 1;
        }
        let mut head = Vec::with_capacity(MAX_HEAD);
        written(rmp::encode::write_map_len(&mut head, len))?;
        end(self.0, start, &head);
        Ok(())
    }
}

/// The longest head of an array or map, in bytes.
const MAX_HEAD: usize = 5;

/// Leaves room for the head of an array or map, whose length is known when it ends.
fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; MAX_HEAD]);
    start
}

fn end(out: &mut Vec<u8>, start: usize, head: &[u8]) {
    let unused = MAX_HEAD - head.len();
    out.drain(start..start + unused);
    out[start..start + head.len()].copy_from_slice(head);
}
