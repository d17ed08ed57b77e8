//! Naive validator of JSON texts by the schemas of an OpenAPI description, as far as that uses them. It
//! parses one level at a time, so that nothing is too deep for it and no number too large.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A value whose parts are not parsed.
pub(super) enum Json<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, as text.
    Number(&'t str),
    /// A text, which is `None` if it has half a surrogate pair.
    Text(Option<String>),
    /// The items.
    Array(Vec<&'t str>),
    /// The fields, in order.
    Object(Vec<(String, &'t str)>),
    /// None.
    Invalid,
}

impl<'t> Json<'t> {
    /// Parses one level.
    pub(super) fn of(text: &'t str) -> Self {
        let Ok(raw) = serde_json::from_str::<&RawValue>(text) else {
            return Self::Invalid;
        };
        let text = raw.get();
        match text.as_bytes()[0] {
            b'n' => Self::Null,
            b't' | b'f' => Self::Bool,
            b'"' => Self::Text(serde_json::from_str(text).ok()),
            b'[' => {
                let items: Result<Vec<&RawValue>, _> = serde_json::from_str(text);
                match items {
                    Ok(items) => Self::Array(items.into_iter().map(RawValue::get).collect()),
                    Err(_) => Self::Invalid,
                }
            }
            b'{' => match serde_json::Deserializer::from_str(text).deserialize_map(Pairs) {
                Ok(fields) => Self::Object(fields),
                Err(_) => Self::Invalid,
            },
            _ => Self::Number(text),
        }
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            pairs.push((name, value.get()));
        }
        Ok(pairs)
    }
}

/// Whether a text fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    /// It does.
    Fits,
    /// It does not, or is no JSON.
    Differs,
}

/// A schema in a description.
#[derive(Clone, Copy)]
pub(super) struct Schema<'d> {
    description: &'d Value,
    schema: &'d Value,
}

impl<'d> Schema<'d> {
    pub(super) fn new(description: &'d Value, schema: &'d Value) -> Self {
        Self {
            description,
            schema,
        }
    }

    /// Returns whether a text fits.
    pub(super) fn fit(self, text: &str) -> Fit {
        match self.takes(text) {
            true => Fit::Fits,
            false => Fit::Differs,
        }
    }

    fn below(self, schema: &'d Value) -> Self {
        Self { schema, ..self }
    }

    fn takes(self, text: &str) -> bool {
        let schema = self.schema;
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("a part of itself");
            let target = self.description.pointer(pointer).expect("it is there");
            return self.below(target).takes(text);
        }
        for (name, most) in [("oneOf", 1), ("anyOf", usize::MAX)] {
            if let Some(some) = schema[name].as_array() {
                let fitting = some.iter().filter(|one| self.below(one).takes(text));
                return (1..=most).contains(&fitting.count());
            }
        }
        let is_type = |name: &str| match &schema["type"] {
            Value::Array(names) => names.iter().any(|one| one == name),
            Value::String(one) => one == name,
            // Any value.
            _ => true,
        };
        match Json::of(text) {
            Json::Invalid => false,
            Json::Null => is_type("null"),
            Json::Bool => is_type("boolean"),
            Json::Text(parsed) => {
                is_type("string") && (schema["type"].is_null() || parsed.is_some())
            }
            Json::Number(number) => self.takes_number(number, &is_type),
            Json::Array(items) => {
                is_type("array")
                    && (schema["items"].is_null()
                        || items
                            .iter()
                            .all(|item| self.below(&schema["items"]).takes(item)))
            }
            Json::Object(fields) => is_type("object") && self.takes_fields(&fields),
        }
    }

    fn takes_number(self, text: &str, is_type: &impl Fn(&str) -> bool) -> bool {
        let schema = self.schema;
        if schema["type"].is_null() {
            return true;
        }
        // What is too large for a float is refused.
        let Ok(float) = text.parse::<f64>().map_err(drop).and_then(finite) else {
            return false;
        };
        if is_type("number") {
            return true;
        }
        let exact = (1_i128 << 53) as f64;
        let whole = match text.parse::<i128>() {
            Ok(whole) => whole,
            Err(_) if float.fract() == 0.0 && float.abs() <= exact => float as i128,
            Err(_) => return false,
        };
        let bound = |name: &str| schema[name].as_number()?.as_i128();
        is_type("integer")
            && bound("minimum").is_none_or(|least| whole >= least)
            && bound("maximum").is_none_or(|most| whole <= most)
    }

    fn takes_fields(self, fields: &[(String, &str)]) -> bool {
        let schema = self.schema;
        let properties = schema["properties"].as_object();
        let others = &schema["additionalProperties"];
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, text) in fields {
            *seen.entry(name).or_default() += 1;
            let known = properties.and_then(|properties| properties.get(name));
            // What is known is there once.
            if known.is_some() && seen[&**name] > 1 {
                return false;
            }
            let known = known.or(others.is_object().then_some(others));
            if known.is_some_and(|known| !self.below(known).takes(text)) {
                return false;
            }
        }
        let required = schema["required"].as_array();
        let has = |name: &Value| seen.contains_key(name.as_str().expect("a name"));
        let most = schema["maxProperties"].as_u64();
        required.is_none_or(|required| required.iter().all(has))
            && most.is_none_or(|most| fields.len() as u64 <= most)
    }
}

fn finite(number: f64) -> Result<f64, ()> {
    match number.is_finite() {
        true => Ok(number),
        false => Err(()),
    }
}
