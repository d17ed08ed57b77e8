//! Translation in both directions, against rmpv and serde_json.

use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::client_protocol::{
    ClientCodec, DecodeError, InvalidPayload, Publication, encode_publication,
};

fn packed(json: &str) -> Result<Vec<u8>, InvalidPayload> {
    let mut out = vec![7];
    let result = encode(&mut out, |text| {
        text.extend_from_slice(json.as_bytes());
        Ok(())
    });
    assert_eq!(out[0], 7);
    assert!(result.is_ok() || out.len() == 1);
    result.map(|()| out.split_off(1))
}

fn lines(message: &[u8]) -> Result<String, DecodeError> {
    let mut out = Vec::new();
    to_lines(message, &mut out)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

/// Whether a value is the same in both notations, by other means than ours.
fn is_same(json: &Json, other: &rmpv::Value) -> bool {
    match json {
        Json::Null => other.is_nil(),
        Json::Bool(value) => other.as_bool() == Some(*value),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => other.as_u64() == Some(number),
            (_, Some(number)) => other.as_i64() == Some(number),
            _ => other.is_f64() && other.as_f64() == number.as_f64(),
        },
        Json::String(text) => other.as_str() == Some(text),
        Json::Array(items) => other.as_array().is_some_and(|others| {
            let mut pairs = items.iter().zip(others);
            items.len() == others.len() && pairs.all(|(one, other)| is_same(one, other))
        }),
        Json::Object(members) => other.as_map().is_some_and(|others| {
            members.len() == others.len()
                && others.iter().all(|(key, other)| {
                    let member = key.as_str().and_then(|key| members.get(key));
                    member.is_some_and(|member| is_same(member, other))
                })
        }),
    }
}

fn values() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<i16>().prop_map(Json::from),
        prop::num::f64::NORMAL.prop_map(Json::from),
        ".{0,40}".prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 80, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Json::from),
            prop::collection::btree_map(".{0,8}", inner, 0..20)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn both_notations_say_the_same(value in values()) {
        let bytes = packed(&value.to_string()).expect("JSON");
        let mut rest = &bytes[..];
        let other = rmpv::decode::read_value(&mut rest).expect("MessagePack");
        prop_assert!(rest.is_empty() && is_same(&value, &other), "{}", other);
        let mut shortest = Vec::new();
        rmpv::encode::write_value(&mut shortest, &other).expect("into memory");
        prop_assert_eq!(&bytes, &shortest);
        let again: Json = serde_json::from_str(&lines(&bytes).expect("a value")).expect("JSON");
        prop_assert_eq!(again, value);
    }

    #[test]
    fn any_bytes_are_lines_of_json_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut out = Vec::new();
        let _ = to_lines(&bytes, &mut out);
        prop_assert!(out.len() <= 6 * bytes.len());
        for line in out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok());
        }
    }
}

#[test]
fn a_message_is_one_or_more_maps() {
    let mut message = packed(r#"{"id":1,"connect":{}}"#).expect("JSON");
    assert_eq!(lines(&message).as_deref(), Ok(r#"{"id":1,"connect":{}}"#));
    message.extend(packed("{}").expect("JSON"));
    let lines = lines(&message).expect("two maps");
    assert_eq!(lines, "{\"id\":1,\"connect\":{}}\n{}");
    let commands = ClientCodec::MessagePack.decode(lines.as_bytes());
    assert_eq!(commands.filter(Result::is_ok).count(), 2);
}

#[test]
fn what_is_before_a_fault_is_there() {
    for fault in [&b"\xC1"[..], b"\xA5ab", b"\x91\x82\xA1a\x01\xA1b"] {
        let mut message = vec![0x80];
        message.extend(fault);
        let mut out = Vec::new();
        assert!(to_lines(&message, &mut out).is_err());
        assert_eq!(out, b"{}");
    }
}

#[test]
fn binary_data_are_base64_and_short_floats_long() {
    assert_eq!(lines(b"\xC4\x02\xFF\x00").as_deref(), Ok(r#""/wA=""#));
    assert_eq!(lines(b"\xC5\x00\x01a").as_deref(), Ok(r#""YQ==""#));
    assert_eq!(lines(b"\xC6\x00\x00\x00\x00").as_deref(), Ok(r#""""#));
    assert_eq!(lines(b"\xCA\x3F\xC0\x00\x00").as_deref(), Ok("1.5"));
    assert_eq!(lines(b"\xCB\x3F\xF0\0\0\0\0\0\0").as_deref(), Ok("1.0"));
}

#[test]
fn what_json_cannot_say_is_refused() {
    let invalid = Err(DecodeError::InvalidMessagePack);
    for message in [
        &b"\xC1"[..],                // never used
        b"\xD4\x01\x00",             // an extension
        b"\xC7\x00\x01",             // an empty one
        b"\x81\x01\x02",             // a number for a key
        b"\x81\xC0\x02",             // nothing for a key
        b"\x81\xC4\x01a\x02",        // bytes for a key
        b"\xCA\x7F\x80\x00\x00",     // infinity
        b"\xCB\x7F\xF8\0\0\0\0\0\0", // NaN
    ] {
        assert_eq!(lines(message), invalid, "{message:x?}");
    }
    assert_eq!(lines(b"\xA1\xFF"), Err(DecodeError::InvalidUtf8));
    for message in [
        &b"\xDD\xFF\xFF\xFF\xFF"[..],
        b"\xDF\xFF\xFF\xFF\xFF\xA1a",
        b"\xDB\xFF\xFF\xFF\xFFabc",
        b"\xC6\xFF\xFF\xFF\xFFabc",
        b"\xDC\x00",
        b"\xCF\0\0",
    ] {
        let mut out = Vec::new();
        let result = to_lines(message, &mut out);
        assert_eq!(result, Err(DecodeError::Truncated), "{message:x?}");
        assert!(out.capacity() < 100, "no room by what is claimed");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| {
        let mut message = vec![0x91; levels];
        message.push(0xC0);
        lines(&message).map(|line| line.len())
    };
    assert_eq!(nested(MAX_DEPTH), Ok(2 * MAX_DEPTH + 4));
    assert_eq!(nested(MAX_DEPTH + 1), Err(DecodeError::InvalidMessagePack));
    assert_eq!(nested(60_000), Err(DecodeError::InvalidMessagePack));
    let json = |levels: usize| packed(&("[".repeat(levels) + &"]".repeat(levels)));
    assert_eq!(json(50_000).map(|out| out.len()), Ok(50_000));
}

#[test]
fn every_json_value_has_a_counterpart() {
    for (text, expected) in [
        (
            "18446744073709551615",
            &b"\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"[..],
        ),
        ("18446744073709551616", b"\xCB\x43\xF0\0\0\0\0\0\0"),
        ("-9223372036854775808", b"\xD3\x80\0\0\0\0\0\0\0"),
        ("1e2", b"\xCB\x40\x59\0\0\0\0\0\0"),
        ("1e999", b"\xCB\x7F\xF0\0\0\0\0\0\0"),
        ("-1e999", b"\xCB\xFF\xF0\0\0\0\0\0\0"),
        ("1e-999", b"\xCB\0\0\0\0\0\0\0\0"),
        (r#""\ud800""#, b"\xA3\xEF\xBF\xBD"),
        (r#""a\udfff\ud800b""#, b"\xA8a\xEF\xBF\xBD\xEF\xBF\xBDb"),
        (r#""\ud83d\ude00""#, b"\xA4\xF0\x9F\x98\x80"),
        (r#"{"\ud800":"\\"}"#, b"\x81\xA3\xEF\xBF\xBD\xA1\\"),
        (r#" [ ] "#, b"\x90"),
        (
            r#"{"a":{},"a":[[],{"b":[1,"]"]}]}"#,
            b"\x82\xA1a\x80\xA1a\x92\x90\x81\xA1b\x92\x01\xA1]",
        ),
    ] {
        assert_eq!(packed(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_json_is_no_payload() {
    for payload in [
        "boom", "{} {}", " ", "[", "]", "\"a", "\"\\", "[1,]", "1 2", "\"\\x\"", "-",
    ] {
        let publication = Publication {
            data: payload.as_bytes(),
            ..Publication::default()
        };
        let mut out = vec![7];
        let result = encode_publication(ClientCodec::MessagePack, "c", &publication, &mut out);
        assert_eq!(
            (result, &out[..]),
            (Err(InvalidPayload), &[7][..]),
            "{payload}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_said_to_be_json_is_translated_or_refused(text in r#"[\[\]{},:"\\ued8a0-9. ]{0,40}"#) {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert!(packed(&text).is_ok() || !is_json);
    }
}
