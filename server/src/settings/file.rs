//! File of settings: TOML or JSON in, texts by key out.
//!
//! Checks keys and types. Values are parsed where those of the other sources are.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use stentor_core::config::Unit;

use super::declaration::FlagKind;
use super::error::{SettingsError, Source};
use super::flag::{FLAGS, Flag};
use super::json;

/// The values of a file by key, and everything that is wrong in it.
pub(super) struct Contents {
    pub(super) values: BTreeMap<&'static str, Vec<String>>,
    pub(super) errors: Vec<SettingsError>,
}

/// Reads a file: JSON if its name ends in `.json`, otherwise TOML.
///
/// # Errors
/// Returns an error if the text is not of that format.
pub(super) fn read(text: &str, path: &Path, named_by: &Source) -> Result<Contents, SettingsError> {
    let (table, duplicates) = parse(text, path, named_by)?;
    let source = Source::File(path.into());
    let duplicates = duplicates.into_iter();
    let mut contents = Contents {
        values: BTreeMap::new(),
        errors: duplicates
            .map(|key| SettingsError::duplicate(key, &source))
            .collect(),
    };
    walk(&table, "", &source, &mut contents);
    Ok(contents)
}

/// Returns what a file has, and the keys that are there twice.
///
/// # Errors
/// Returns an error if the text is not of its format.
pub(super) fn parse(
    text: &str,
    path: &Path,
    named_by: &Source,
) -> Result<(Map<String, Value>, Vec<String>), SettingsError> {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let parsed = if is_json {
        json::parse_object(text)
    } else {
        let parsed = toml::from_str(text).map(|table| (table, Vec::new()));
        parsed.map_err(|error| describe(&error, text))
    };
    parsed.map_err(|problem| SettingsError::File {
        path: path.into(),
        source: named_by.clone(),
        problem,
    })
}

/// Describes an error without the line that it is in, which may have a secret.
fn describe(error: &toml::de::Error, text: &str) -> String {
    let message = error.message();
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(before) = before else {
        return format!("TOML parse error: {message}");
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("TOML parse error at line {line}, column {column}: {message}")
}

fn walk(table: &Map<String, Value>, prefix: &str, source: &Source, contents: &mut Contents) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        let section = format!("{key}.");
        if let Some(flag) = Flag::find(&key) {
            match texts(flag, value) {
                Some(texts) => {
                    contents.values.insert(flag.key, texts);
                }
                None => contents.errors.push(SettingsError::Value {
                    key: flag.name(),
                    source: source.clone(),
                    value: flag.shown(&value.to_string()),
                    allowed: expected(flag),
                }),
            }
        } else if let Value::Object(table) = value
            && FLAGS.iter().any(|flag| flag.key.starts_with(&section))
        {
            walk(table, &section, source, contents);
        } else {
            let error = SettingsError::unknown_key(key, source.clone());
            contents.errors.push(error);
        }
    }
}

/// Returns the value as text if it is of a type that the setting takes.
pub(super) fn texts(flag: &Flag, value: &Value) -> Option<Vec<String>> {
    if matches!(flag.kind, FlagKind::Tables) {
        return value.is_array().then(|| vec![value.to_string()]);
    }
    if let Value::Array(items) = value {
        let item = |item| scalar(flag, item);
        return flag
            .is_list()
            .then(|| items.iter().map(item).collect())
            .flatten();
    }
    Some(vec![scalar(flag, value)?])
}

fn scalar(flag: &Flag, value: &Value) -> Option<String> {
    let unit = flag.bounds().map(|bounds| bounds.unit);
    match (value, flag.kind, unit) {
        (Value::Bool(value), FlagKind::Switch, _) => Some(value.to_string()),
        (Value::Number(port), FlagKind::Address | FlagKind::Addresses, _) if is_whole(port) => {
            Some(port.to_string())
        }
        (Value::Number(value), _, Some(Unit::Bytes | Unit::Count)) if is_whole(value) => {
            Some(value.to_string())
        }
        (Value::String(value), _, Some(Unit::Bytes | Unit::Milliseconds)) => Some(value.clone()),
        // Integers of TOML end at `i64::MAX`.
        (Value::String(value), _, Some(_)) if exceeds_toml(flag) => Some(value.clone()),
        (
            Value::String(value),
            FlagKind::Choice(..)
            | FlagKind::Address
            | FlagKind::Text(_)
            | FlagKind::Secret
            | FlagKind::PublicKey
            | FlagKind::File,
            _,
        ) => Some(value.clone()),
        (Value::String(value), ..) if flag.is_list() => Some(value.clone()),
        _ => None,
    }
}

fn exceeds_toml(flag: &Flag) -> bool {
    let max = flag.bounds().map(|bounds| bounds.max);
    max.is_some_and(|max| i64::try_from(max).is_err())
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64()
}

/// Returns what is allowed, beginning with the type.
pub(super) fn expected(flag: &Flag) -> String {
    if matches!(flag.kind, FlagKind::Tables) {
        return flag.allowed();
    }
    let kind = match (flag.kind, flag.bounds().map(|bounds| bounds.unit)) {
        (_, Some(Unit::Bytes)) => "an integer or a string",
        (_, Some(Unit::Milliseconds)) => "a string",
        (_, Some(_)) => "an integer",
        (FlagKind::Switch, _) => "a boolean",
        (FlagKind::Address, _) => "a string or an integer",
        (FlagKind::Addresses, _) => "a string, an integer or an array of these",
        _ if flag.is_list() => "a string or an array of strings",
        _ => "a string",
    };
    format!("{kind}: {}", flag.allowed())
}
