//! Owns the file of settings: TOML in, one text or list of texts a key out. It checks the keys and
//! the types; the values are read where those of the other sources are.

use std::collections::BTreeMap;
use std::path::Path;

use stentor_core::Unit;
use toml::{Table, Value};

use super::error::{SettingsError, Source};
use super::flag::{FLAGS, Flag, FlagKind};

/// What the file says, by the name of the flag.
pub(super) fn read(
    text: &str,
    path: &Path,
    source: &Source,
) -> Result<BTreeMap<&'static str, Vec<String>>, SettingsError> {
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| SettingsError::File {
            path: path.into(),
            source: source.clone(),
            problem: error.to_string().trim_end().into(),
        })?;
    let mut read = BTreeMap::new();
    for (key, value) in &table {
        let name = key.replace('_', "-");
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
            return Err(SettingsError::UnknownKey {
                key: key.clone(),
                path: path.into(),
            });
        };
        let texts = texts(flag, value).ok_or_else(|| SettingsError::Value {
            key: flag.name.into(),
            source: Source::File(path.into()),
            value: value.to_string(),
            allowed: expected(flag),
        })?;
        if read.insert(flag.name, texts).is_some() {
            return Err(SettingsError::KeyTwice {
                key: name,
                path: path.into(),
            });
        }
    }
    Ok(read)
}

/// The value as text, if it is of a type that the flag takes.
fn texts(flag: &Flag, value: &Value) -> Option<Vec<String>> {
    let unit = flag.bounds().map(|bounds| bounds.unit);
    let one = match (value, flag.takes, unit) {
        (Value::Array(items), ..) if flag.is_list() => {
            return items
                .iter()
                .map(|item| match (item, flag.takes) {
                    (Value::Integer(port), FlagKind::Addresses) => Some(port.to_string()),
                    _ => item.as_str().map(Into::into),
                })
                .collect();
        }
        (Value::Integer(port), FlagKind::Address | FlagKind::Addresses, _) => port.to_string(),
        (Value::Boolean(value), FlagKind::Switch, _) => value.to_string(),
        (Value::Integer(value), _, Some(Unit::Bytes | Unit::Count)) => value.to_string(),
        // A count is a number, but the upper half of the seeds does not fit one of TOML's.
        (Value::String(value), _, Some(Unit::Bytes | Unit::Milliseconds)) => value.clone(),
        (Value::String(value), _, Some(_)) if flag.name == "seed" => value.clone(),
        (Value::String(value), FlagKind::Choice(..) | FlagKind::Address, _) => value.clone(),
        (Value::String(value), ..) if flag.is_list() => value.clone(),
        _ => return None,
    };
    Some(vec![one])
}

/// What is allowed, beginning with the type.
fn expected(flag: &Flag) -> String {
    let kind = match (flag.takes, flag.bounds().map(|bounds| bounds.unit)) {
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
