//! Translation of a configuration of Centrifugo 6 into ours. What has no counterpart is named in a
//! comment, with what to do about it.

mod endpoints;
mod refused;
mod value;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use clap::{Arg, Command};
use serde_json::{Map, Value};

use super::show;
use crate::settings::channel_table::{ChannelOption, WITHOUT_NAMESPACE};
use crate::settings::error::{SettingsError, Source};
use crate::settings::flag::Flag;
use crate::settings::{file, foreign, yaml};
use endpoints::is_part;
use value::{converted, is_nothing, switch};

const FILE: &str = "file";
const NAMESPACES: &str = "channel.namespaces";

/// Settings that have another name here, and the same meaning.
const RENAMED: &[(&str, &str)] = &[
    ("websocket.compression", "compression.enabled"),
    ("websocket.compression_level", "compression.level"),
    ("websocket.compression_min_size", "compression.threshold"),
    ("websocket.message_size_limit", "client.max_message"),
    ("websocket.write_timeout", "client.write_timeout"),
    ("shutdown.timeout", "server.shutdown_timeout"),
    (
        "client.disallow_anonymous_connection_tokens",
        "client.token.disallow_anonymous_connection_tokens",
    ),
];

/// Transports that are off there unless they are switched on.
const TRANSPORTS: &[&str] = &["http_stream.enabled", "sse.enabled"];

const UNKNOWN: &str = "is not known; it was left out";

const API_DISABLED: &str = "http_api.disabled";

pub(super) fn command(name: &'static str) -> Command {
    Command::new(name)
        .about("Prints the settings that correspond to a configuration of Centrifugo 6, as TOML")
        .arg(
            Arg::new(FILE)
                .value_name("FILE")
                .required(true)
                .help("The configuration: JSON (*.json), YAML (*.yaml, *.yml) or TOML"),
        )
}

/// Returns the settings that correspond to a file, and warns of what was not taken.
///
/// # Errors
/// The file cannot be read, or is of none of the formats.
pub(super) fn import(
    matches: &clap::ArgMatches,
    read_file: impl Fn(&Path) -> io::Result<String>,
    mut warn: impl FnMut(&str),
) -> Result<String, SettingsError> {
    let path = matches.get_one::<String>(FILE).expect("clap requires it");
    let path = Path::new(path);
    let source = Source::Flag("FILE".into());
    let text = read_file(path).map_err(|error| SettingsError::File {
        path: path.into(),
        source: source.clone(),
        problem: error.to_string(),
    })?;
    let (table, duplicates) = parse(&text, path, source)?;
    let mut import = Import::default();
    for key in duplicates {
        import.note(key, "is there twice");
    }
    import.read(&table, "");
    import.complete();
    import.leave_out_refused(read_file);
    for note in &mut import.notes {
        // Keys and values come from the file. In TOML, a comment is a line without such characters.
        *note = note.replace(char::is_control, " ");
        warn(note);
    }
    Ok(import.comments(path) + &import.settings())
}

/// Returns what a file has, and the keys that are there twice.
fn parse(
    text: &str,
    path: &Path,
    source: Source,
) -> Result<(Map<String, Value>, Vec<String>), SettingsError> {
    let extension = path.extension();
    if !extension.is_some_and(|extension| extension == "yaml" || extension == "yml") {
        return file::parse(text, path, &source);
    }
    let table = yaml::parse_object(text);
    let table = table.map_err(|problem| SettingsError::File {
        path: path.into(),
        source,
        problem,
    });
    Ok((table?, Vec::new()))
}

/// What a file says, in our terms.
#[derive(Default)]
struct Import {
    values: BTreeMap<&'static str, Value>,
    /// The keys there of these values.
    theirs: BTreeMap<&'static str, String>,
    namespaces: Vec<Map<String, Value>>,
    /// What is needed for addresses and certificates, by its key.
    parts: BTreeMap<String, Value>,
    /// Lines about what was not taken.
    notes: Vec<String>,
}

impl Import {
    fn note(&mut self, key: impl AsRef<str>, problem: &str) {
        self.notes.push(format!("{}: {problem}", key.as_ref()));
    }

    fn read(&mut self, table: &Map<String, Value>, prefix: &str) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                Value::Object(table) if !table.is_empty() => {
                    self.read(table, &format!("{key}."));
                }
                Value::Object(_) if foreign::advice(&key).is_none() => {}
                Value::Array(entries) if key == NAMESPACES => self.read_namespaces(entries),
                _ if is_part(&key) => {
                    self.parts.insert(key, value.clone());
                }
                _ => self.take(&key, value),
            }
        }
    }

    fn take(&mut self, key: &str, value: &Value) {
        if key == "client.connection_limit" {
            let is_unlimited = *value == 0 || value == "0";
            return match is_unlimited {
                true => {}
                false => self.set(key, "server.max_connections", value),
            };
        }
        if is_memory_only(key, value) {
            return;
        }
        if key == "websocket.compression_min_size" && *value == 0 {
            return self.set(key, "compression.threshold", &1.into());
        }
        if key == API_DISABLED {
            self.parts.insert(key.into(), value.clone());
        }
        let renamed = RENAMED.iter().find(|(theirs, _)| *theirs == key);
        match renamed {
            Some((_, ours)) => self.set(key, ours, value),
            None => match foreign::advice(key) {
                Some(advice) => self.note(key, without_end(advice)),
                None => self.set(key, key, value),
            },
        }
    }

    /// Takes a value of theirs for a setting of ours.
    fn set(&mut self, theirs: &str, ours: &str, value: &Value) {
        let Some(flag) = Flag::find(ours) else {
            return self.note(theirs, UNKNOWN);
        };
        let value = converted(flag, value);
        if is_nothing(flag, &value) {
            return;
        }
        if file::texts(flag, &value).is_some() {
            self.values.insert(flag.key, value);
            self.theirs.insert(flag.key, theirs.into());
        } else {
            let shown = flag.shown(&value.to_string());
            let allowed = file::expected(flag);
            let problem = format!("cannot be `{shown}`; it takes {allowed}; it was left out");
            self.note(theirs, &problem);
        }
    }

    fn read_namespaces(&mut self, entries: &[Value]) {
        for (index, entry) in entries.iter().enumerate() {
            let name = entry.get("name").and_then(Value::as_str);
            let name = name.filter(|name| !name.is_empty());
            let (Value::Object(table), Some(name)) = (entry, name) else {
                self.note(format!("{NAMESPACES}[{index}]"), "has no name");
                continue;
            };
            let mut taken = Map::new();
            taken.insert("name".into(), name.into());
            for (option, value) in table.iter().filter(|(option, _)| *option != "name") {
                let key = format!("{NAMESPACES}.{name}.{option}");
                match ChannelOption::find(option) {
                    Some(known) => {
                        let value = converted(known.flag(), value);
                        if !is_nothing(known.flag(), &value) {
                            taken.insert(option.clone(), value);
                        }
                    }
                    None => {
                        let advice = foreign::advice(&format!("{WITHOUT_NAMESPACE}{option}"));
                        self.note(key, advice.map_or(UNKNOWN, without_end));
                    }
                }
            }
            self.namespaces.push(taken);
        }
    }

    /// Takes what follows from several keys, and from keys that are not there.
    fn complete(&mut self) {
        self.listen();
        self.certificates();
        if switch(&self.part(&[API_DISABLED])) == Some(true) {
            // Without a key there is no API here.
            self.values.remove("http_api.key");
        }
        for key in TRANSPORTS {
            self.values.entry(key).or_insert(false.into());
        }
        let section = "client.subscription_token.";
        let has_section = self.values.keys().any(|key| key.starts_with(section));
        if has_section {
            // Without it, these keys are ignored there.
            let key = "client.subscription_token.enabled";
            self.values.entry(key).or_insert(false.into());
        }
    }

    /// Returns the settings as TOML.
    fn settings(&self) -> String {
        let mut page = show::page(|flag| match self.values.get(flag.key) {
            Some(value) => show::line(flag, value),
            None => String::new(),
        });
        page += &show::tables(NAMESPACES, &self.namespaces);
        page
    }

    fn comments(&self, path: &Path) -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.replace(char::is_control, " ");
        let mut text = format!("# The settings of {name}.\n");
        if !self.notes.is_empty() {
            text += "# What is left to do:\n";
        }
        for note in &self.notes {
            // Writing to a text does not fail.
            let _ = writeln!(text, "# - {note}");
        }
        text + "\n"
    }
}

/// Returns advice about a key that is not there any more.
fn without_end(advice: &str) -> &str {
    let advice = advice.strip_suffix(", and remove it").unwrap_or(advice);
    advice.strip_suffix("; remove it").unwrap_or(advice)
}

/// Returns whether a key only says that everything is in the memory of one server, as it is here.
fn is_memory_only(key: &str, value: &Value) -> bool {
    let kinds = ["engine.type", "broker.type", "presence_manager.type"];
    let are_off = ["broker.enabled", "presence_manager.enabled"];
    kinds.contains(&key) && value == "memory"
        || are_off.contains(&key) && *value == Value::Bool(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::declaration::FlagKind;

    pub(super) fn imported(table: &Value) -> Import {
        let mut import = Import::default();
        import.read(table.as_object().expect("an object"), "");
        import.complete();
        import
    }

    /// Returns an object with a value at this path.
    pub(super) fn nested(key: &str, value: Value) -> Value {
        let names = key.rsplit('.');
        names.fold(value, |value, name| {
            let mut table = Map::new();
            table.insert(name.into(), value);
            table.into()
        })
    }

    #[test]
    fn every_key_without_a_counterpart_gives_a_line_or_a_setting() {
        for (key, advice) in foreign::FOREIGN
            .iter()
            .flat_map(|(keys, advice)| keys.iter().map(move |key| (*key, *advice)))
        {
            let notes = imported(&nested(key, "1".into())).notes;
            let renamed = RENAMED.iter().any(|(theirs, _)| *theirs == key);
            if renamed || is_part(key) || key == "client.connection_limit" {
                continue;
            }
            let expected = format!("{key}: {}", without_end(advice));
            assert_eq!(notes, [expected]);
            // Whatever is there.
            assert_eq!(
                imported(&nested(key, Value::Object(Map::new())))
                    .notes
                    .len(),
                1
            );
            assert_eq!(
                imported(&nested(key, serde_json::json!([{}]))).notes.len(),
                1
            );
        }
    }

    #[test]
    fn what_has_another_name_gives_a_setting() {
        for (theirs, ours) in RENAMED {
            let value = match Flag::of(ours).kind {
                FlagKind::Switch => Value::Bool(true),
                _ if ours.contains("time") => "2s".into(),
                _ => 2_048.into(),
            };
            let import = imported(&nested(theirs, value.clone()));
            assert_eq!((&import.values[ours], &import.notes[..]), (&value, &[][..]));
        }
    }

    #[test]
    fn settings_of_one_server_in_memory_need_nothing() {
        for key in ["engine.type", "broker.type", "presence_manager.type"] {
            assert!(imported(&nested(key, "memory".into())).notes.is_empty());
            assert_eq!(imported(&nested(key, "redis".into())).notes.len(), 1);
        }
    }

    #[test]
    fn an_api_that_was_disabled_has_no_key() {
        for (is_disabled, has_key) in [(true, false), (false, true)] {
            let api = serde_json::json!({"key": "k", "disabled": is_disabled});
            let import = imported(&nested("http_api", api));
            assert_eq!(import.values.contains_key("http_api.key"), has_key);
        }
    }

    #[test]
    fn transports_that_were_off_remain_off() {
        let import = imported(&nested("sse.enabled", true.into()));
        assert_eq!(import.values["sse.enabled"], true);
        assert_eq!(import.values["http_stream.enabled"], false);
    }
}
