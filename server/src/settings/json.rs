//! JSON in which no key of an object is there twice: `serde_json` takes the last one.

use core::fmt;
use std::cell::RefCell;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Parses a text. Also returns the paths of keys that are there twice.
///
/// # Errors
/// Returns what is wrong with the text, without any of it.
pub(super) fn parse(text: &str) -> Result<(Value, Vec<String>), String> {
    let duplicates = RefCell::new(Vec::new());
    let node = JsonNode {
        path: "",
        duplicates: &duplicates,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = node.deserialize(&mut deserializer);
    let value = parsed.and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok((value, duplicates.into_inner())),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses an object, as [`parse`].
///
/// # Errors
/// Returns what is wrong with the text, without any of it.
pub(super) fn parse_object(text: &str) -> Result<(Map<String, Value>, Vec<String>), String> {
    match parse(text)? {
        (Value::Object(table), duplicates) => Ok((table, duplicates)),
        _ => Err("invalid type, expected a JSON object".into()),
    }
}

/// A value, and where it is.
#[derive(Clone, Copy)]
struct JsonNode<'a> {
    path: &'a str,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for JsonNode<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonNode<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, values.len());
            let item = JsonNode {
                path: &path,
                ..self
            };
            match items.next_element_seed(item)? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut table = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{key}", self.path);
            let node = JsonNode {
                path: &path,
                ..self
            };
            let value = entries.next_value_seed(node)?;
            if table.insert(key, value).is_some() {
                self.duplicates.borrow_mut().push(path);
            }
        }
        Ok(Value::Object(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_serde_json_reads() {
        for text in [
            "null",
            r#"{"a": [1, -1, 1.5, "x", true, null, {}], "b": {"c": 18446744073709551615}}"#,
            "[]",
        ] {
            let expected: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(parse(text), Ok((expected, Vec::new())), "{text}");
        }
        for text in ["", "{", "{} {}", "{\"a\":1,}", "nul"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_that_are_there_twice_are_found_everywhere() {
        let text = r#"{"a": {"b": 1, "b": 2}, "c": [{}, {"d": 1, "d": 1, "d": 1}], "a": 1}"#;
        let (_, duplicates) = parse(text).expect("JSON");
        assert_eq!(duplicates, ["a.b", "c[1].d", "c[1].d", "a"]);
    }
}
