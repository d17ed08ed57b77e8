//! YAML, as far as settings need it: an object with texts, numbers, switches, lists and objects.

use serde_json::{Map, Number, Value};
use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

/// Parses a text whose first document is an object. An empty one has no keys.
///
/// # Errors
/// Returns what is wrong with the text, without its values.
pub(super) fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    let documents = YamlLoader::load_from_str(text);
    let documents = documents.map_err(|error| {
        let place = error.marker();
        let (line, column) = (place.line(), place.col() + 1);
        format!(
            "YAML parse error at line {line}, column {column}: {}",
            error.info()
        )
    })?;
    match documents.into_iter().next() {
        None | Some(Yaml::Null | Yaml::BadValue) => Ok(Map::new()),
        Some(Yaml::Hash(entries)) => object(entries),
        Some(_) => Err("invalid type, expected a YAML mapping".into()),
    }
}

fn object(entries: Hash) -> Result<Map<String, Value>, String> {
    let (mut object, mut merged) = (Map::new(), Vec::new());
    for (key, entry) in entries {
        match (key, entry) {
            (Yaml::String(key), Yaml::Hash(entries)) if key == MERGE => merged.push(entries),
            (Yaml::String(key), Yaml::Array(items)) if key == MERGE => {
                merged.extend(items.into_iter().filter_map(Yaml::into_hash));
            }
            (key, entry) => {
                object.insert(name(key)?, value(entry)?);
            }
        }
    }
    // What an object has itself comes first, then the first of those that are merged into it.
    for entries in merged {
        for (key, value) in self::object(entries)? {
            object.entry(key).or_insert(value);
        }
    }
    Ok(object)
}

/// The key of objects that are merged into another one.
const MERGE: &str = "<<";

fn name(key: Yaml) -> Result<String, String> {
    match key {
        Yaml::String(name) | Yaml::Real(name) => Ok(name),
        Yaml::Integer(number) => Ok(number.to_string()),
        Yaml::Boolean(switch) => Ok(switch.to_string()),
        _ => Err("a key of a YAML mapping is not a text".into()),
    }
}

fn value(value: Yaml) -> Result<Value, String> {
    Ok(match value {
        Yaml::Null | Yaml::BadValue | Yaml::Alias(_) => Value::Null,
        Yaml::Boolean(switch) => switch.into(),
        Yaml::Integer(number) => number.into(),
        Yaml::Real(text) => match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => number.into(),
            None => text.into(),
        },
        Yaml::String(text) => text.into(),
        Yaml::Array(items) => {
            let items: Result<Vec<_>, _> = items.into_iter().map(self::value).collect();
            items?.into()
        }
        Yaml::Hash(entries) => object(entries)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_what_json_has() {
        let text = "\
# A comment.
http_server: {port: 9000, address: \"::1\"}
client:
  allowed_origins:
    - https://app.example
    - 'http://localhost:*'
  insecure: false
  ping_interval: 1m30s
  ratio: 1.5
  nothing: ~
  key: |
    -----BEGIN
    AAAA
";
        let expected = json!({
            "http_server": {"port": 9000, "address": "::1"},
            "client": {
                "allowed_origins": ["https://app.example", "http://localhost:*"],
                "insecure": false,
                "ping_interval": "1m30s",
                "ratio": 1.5,
                "nothing": null,
                "key": "-----BEGIN\nAAAA\n"
            }
        });
        assert_eq!(parse_object(text).map(Value::Object), Ok(expected));
        for empty in ["", "# nothing\n", "---\n", "~"] {
            assert_eq!(parse_object(empty), Ok(Map::new()), "{empty:?}");
        }
    }

    #[test]
    fn anchors_are_merged() {
        let text = "\
all: &all {presence: true, history_size: 5}
more: &more {history_size: 7, history_ttl: 1m}
list:
  - {<<: *all, name: chat, presence: false}
  - {<<: [*all, *more], name: news}
";
        let object = parse_object(text).expect("YAML");
        let expected = json!([
            {"name": "chat", "presence": false, "history_size": 5},
            {"name": "news", "presence": true, "history_size": 5, "history_ttl": "1m"}
        ]);
        assert_eq!(object["list"], expected);
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, part) in [
            ("a: [1", "line 2"),
            ("a: 1\na: 2\n", "duplicated key"),
            ("- 1\n", "expected a YAML mapping"),
            ("? [1]\n: 2\n", "is not a text"),
        ] {
            let error = parse_object(text).expect_err(text);
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
