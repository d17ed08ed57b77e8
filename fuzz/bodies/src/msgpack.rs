//! Fuzzes the MessagePack codec of the client protocol against `rmpv`.

use serde_json::{Map, Value};
use stentor_gateway::client_protocol::{
    ClientCodec, DecodeError, Publication, encode_publication, msgpack_to_lines,
};

use crate::protocol::{decode, round_trip};

/// How deep a message may be.
const MAX_DEPTH: usize = 100;

/// Any bytes as a message of a client, and each of its values as the payload of a publication. And any
/// bytes as such a payload.
///
/// # Panics
/// If a value is not what the oracle reads, if one is refused that JSON can express, or if a payload
/// does not come through.
pub fn msgpack(data: &[u8]) {
    as_payload(data);
    let mut lines = Vec::new();
    let result = msgpack_to_lines(data, &mut lines);
    assert!(lines.len() <= 6 * data.len(), "the message is all there is");
    let text = core::str::from_utf8(&lines).expect("JSON is UTF-8");
    let mut rest = data;
    for line in text.lines() {
        let value = read(&mut rest).expect("the oracle reads it too");
        assert_eq!(serde_json::from_str::<Value>(line).expect("JSON"), value);
        come_through(line, &value);
    }
    match result {
        Ok(()) => assert!(rest.is_empty()),
        // The oracle takes the one byte that is no value for nothing.
        Err(DecodeError::InvalidMessagePack) if data.contains(&0xC1) => {}
        Err(_) => assert_eq!(read(&mut rest), None),
    }
    let (commands, _) = decode(ClientCodec::MessagePack, &lines);
    commands.iter().for_each(round_trip);
}

/// Reads a value that JSON can express.
fn read(rest: &mut &[u8]) -> Option<Value> {
    // It counts a level of an array or map more than once.
    let value = rmpv::decode::read_value_with_max_depth(rest, 4 * MAX_DEPTH).ok()?;
    to_json(&value, MAX_DEPTH)
}

fn to_json(value: &rmpv::Value, depth: usize) -> Option<Value> {
    Some(match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => (*value).into(),
        rmpv::Value::Integer(number) => match number.as_u64() {
            Some(number) => number.into(),
            None => number.as_i64()?.into(),
        },
        rmpv::Value::F32(number) => serde_json::Number::from_f64((*number).into())?.into(),
        rmpv::Value::F64(number) => serde_json::Number::from_f64(*number)?.into(),
        rmpv::Value::String(text) => text.as_str()?.into(),
        rmpv::Value::Binary(bytes) => base64(bytes).into(),
        rmpv::Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            let items = items.iter().map(|item| to_json(item, depth));
            items.collect::<Option<Vec<Value>>>()?.into()
        }
        rmpv::Value::Map(members) => {
            let depth = depth.checked_sub(1)?;
            let mut object = Map::new();
            for (key, value) in members {
                let rmpv::Value::String(key) = key else {
                    return None;
                };
                object.insert(key.as_str()?.to_owned(), to_json(value, depth)?);
            }
            object.into()
        }
        rmpv::Value::Ext(..) => return None,
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = 0;
        for place in 0..3 {
            bits = bits << 8 | u32::from(chunk.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > chunk.len() {
                '='
            } else {
                digit.into()
            });
        }
    }
    text
}

/// A payload is refused if and only if it is no JSON. Its values are those that the oracle reads, as far
/// as that reads them: it refuses numbers beyond doubles, halves of surrogate pairs, and many levels.
fn as_payload(data: &[u8]) {
    let publication = Publication {
        data,
        ..Publication::default()
    };
    let mut out = Vec::new();
    let encoded = encode_publication(ClientCodec::MessagePack, "c", &publication, &mut out);
    let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(data).is_ok();
    // An empty payload is left out.
    assert_eq!(encoded.is_ok(), is_json || data.is_empty());
    let value = serde_json::from_slice::<Value>(data);
    if let (true, Ok(value)) = (is_json, value) {
        let push = read_deep(&mut &*out).expect("MessagePack");
        assert_eq!(
            without_minus_zero(&push["push"]["pub"]["data"]),
            without_minus_zero(&value)
        );
    }
}

/// Returns a value in which -0 is 0.
fn without_minus_zero(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => 0.into(),
        Value::Array(items) => items.iter().map(without_minus_zero).collect(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, value)| (name.clone(), without_minus_zero(value)))
                .collect()
        }
        other => other.clone(),
    }
}

/// A payload reaches receivers as the value that it is.
fn come_through(line: &str, value: &Value) {
    let publication = Publication {
        data: line.as_bytes(),
        ..Publication::default()
    };
    let mut out = b"before".to_vec();
    let encoded = encode_publication(ClientCodec::MessagePack, "c", &publication, &mut out);
    encoded.expect("a payload that came as MessagePack leaves as such");
    let mut push = out.strip_prefix(b"before").expect("what was there stays");
    let push = read_deep(&mut push).expect("MessagePack");
    assert_eq!(&push["push"]["pub"]["data"], value);
}

fn read_deep(rest: &mut &[u8]) -> Option<Value> {
    let value = rmpv::decode::read_value(rest).ok()?;
    rest.is_empty().then_some(())?;
    to_json(&value, 2 * MAX_DEPTH)
}
