//! Translation of a configuration of Centrifugo 6 into ours. What has no counterpart is named in a
//! comment, with what to do about it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use clap::{Arg, Command};
use serde_json::{Map, Value};

use super::show;
use crate::settings::Settings;
use crate::settings::channel_table::{ChannelOption, WITHOUT_NAMESPACE};
use crate::settings::declaration::FlagKind;
use crate::settings::error::{SettingsError, Source};
use crate::settings::flag::Flag;
use crate::settings::{file, foreign};

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
];

const UNKNOWN: &str = "is not known; it was left out";

/// Where Centrifugo listens unless something else is said.
const PORT: &str = "8000";

pub(super) fn command(name: &'static str) -> Command {
    Command::new(name)
        .about("Prints the settings that correspond to a configuration of Centrifugo 6, as TOML")
        .arg(
            Arg::new(FILE)
                .value_name("FILE")
                .required(true)
                .help("The configuration: JSON if its name ends in .json, otherwise TOML"),
        )
}

/// Returns the settings that correspond to a file.
///
/// # Errors
/// The file cannot be read, or is of neither format.
pub(super) fn import(
    matches: &clap::ArgMatches,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<String, SettingsError> {
    let path = matches.get_one::<String>(FILE).expect("clap requires it");
    let path = Path::new(path);
    let source = Source::Flag("FILE".into());
    let text = read_file(path).map_err(|error| SettingsError::File {
        path: path.into(),
        source: source.clone(),
        problem: error.to_string(),
    })?;
    let (table, duplicates) = file::parse(&text, path, &source)?;
    let mut import = Import::default();
    for key in duplicates {
        import.note(key, "is there twice");
    }
    import.read(&table, "");
    import.listen();
    import.certificates();
    let settings = import.settings();
    for problem in problems(&settings, read_file) {
        import.notes.push(problem);
    }
    Ok(import.comments(path) + &settings)
}

/// Returns what is wrong with settings, one line each.
fn problems(settings: &str, read_file: impl Fn(&Path) -> io::Result<String>) -> Vec<String> {
    const NAME: &str = "imported.toml";
    let parsed = Settings::parse(
        ["stentor", "--config", NAME],
        |_| None,
        |path| match path == Path::new(NAME) {
            true => Ok(settings.into()),
            false => read_file(path),
        },
    );
    let errors = match parsed {
        Ok(_) => Vec::new(),
        Err(SettingsError::Several(errors)) => errors,
        Err(error) => vec![error],
    };
    let errors = errors.iter().map(|error| error.to_string());
    errors
        .map(|error| error.replace(&format!(" from the file {NAME}"), ""))
        .collect()
}

/// What a file says, in our terms.
#[derive(Default)]
struct Import {
    values: BTreeMap<&'static str, Value>,
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
                Value::Object(table) => self.read(table, &format!("{key}.")),
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
            return match value.as_u64() {
                Some(0) => {}
                _ => self.set(key, "server.max_connections", value),
            };
        }
        if is_memory_only(key, value) {
            return;
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
        if file::texts(flag, &value).is_some() {
            self.values.insert(flag.key, value);
        } else {
            let shown = flag.shown(&value.to_string());
            let allowed = file::expected(flag);
            self.note(theirs, &format!("cannot be `{shown}`; it takes {allowed}"));
        }
    }

    fn read_namespaces(&mut self, entries: &[Value]) {
        for (index, entry) in entries.iter().enumerate() {
            let name = entry.get("name").and_then(Value::as_str);
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
                        taken.insert(option.clone(), value);
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

    /// Returns a part as text, empty if it is not there.
    fn part(&self, names: &[&str]) -> String {
        let found = names.iter().find_map(|name| self.parts.get(*name));
        match found {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// Puts the addresses together.
    fn listen(&mut self) {
        let address = self.part(&["http_server.address", "address"]);
        let port = self.part(&["http_server.port", "port"]);
        let port = if port.is_empty() { PORT } else { &port };
        let listen = format!("{}:{port}", host(&address));
        self.values.insert("server.listen", vec![listen].into());
        let internal = self.part(&["http_server.internal_port", "internal_port"]);
        if !internal.is_empty() && internal != port {
            let host = self.part(&["http_server.internal_address", "internal_address"]);
            let host = if host.is_empty() { address } else { host };
            let listen = format!("{}:{internal}", self::host(&host));
            self.values.insert("admin.listen", listen.into());
            self.note(
                "http_server.internal_port",
                "became `admin.listen`, whose pages have no password: let only operators reach it",
            );
        }
    }

    /// Takes a certificate, which must be in files.
    fn certificates(&mut self) {
        for section in ["http_server.tls", "tls"] {
            let part = |name: &str| self.part(&[&format!("{section}.{name}")]);
            if part("enabled") != "true" {
                continue;
            }
            for (name, ours) in [("cert_pem", "tls.cert"), ("key_pem", "tls.key")] {
                let file = self.part(&[
                    &format!("{section}.{name}_file"),
                    &format!("{section}.{name}"),
                ]);
                let is_inline = file.contains("-----BEGIN") || file.len() > 512;
                if file.is_empty() || is_inline {
                    let advice = format!("has to be in a file; use `{ours}`");
                    self.note(format!("{section}.{name}"), &advice);
                } else {
                    self.set(&format!("{section}.{name}"), ours, &vec![file].into());
                }
            }
        }
        let known = [
            "enabled",
            "cert_pem",
            "key_pem",
            "cert_pem_file",
            "key_pem_file",
        ];
        let parts: Vec<_> = self.parts.keys().cloned().collect();
        for key in parts.iter().filter(|key| key.contains("tls.")) {
            let name = key.rsplit('.').next().unwrap_or_default();
            if !known.contains(&name) {
                self.note(key, "use the settings of `tls`");
            }
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
        let mut text = format!("# The settings of {name}.\n");
        if !self.notes.is_empty() {
            text += "# What is left to do:\n";
        }
        for note in &self.notes {
            // Writing to a text does not fail.
            let _ = writeln!(text, "# - {}", note.replace('\n', " "));
        }
        text + "\n"
    }
}

/// Returns advice about a key that is not there any more.
fn without_end(advice: &str) -> &str {
    let advice = advice.strip_suffix(", and remove it").unwrap_or(advice);
    advice.strip_suffix("; remove it").unwrap_or(advice)
}

/// Returns whether a key is of an address or a certificate, which are put together.
fn is_part(key: &str) -> bool {
    let of_server = key.strip_prefix("http_server.").unwrap_or(key);
    let is_address = ["address", "port", "internal_address", "internal_port"].contains(&of_server);
    is_address || of_server.starts_with("tls.")
}

/// Returns whether a key only says that everything is in the memory of one server, as it is here.
fn is_memory_only(key: &str, value: &Value) -> bool {
    let kinds = ["engine.type", "broker.type", "presence_manager.type"];
    let are_off = ["broker.enabled", "presence_manager.enabled"];
    kinds.contains(&key) && value == "memory"
        || are_off.contains(&key) && *value == Value::Bool(false)
}

fn host(address: &str) -> String {
    let is_v6 = address.contains(':') && !address.starts_with('[');
    if is_v6 {
        format!("[{address}]")
    } else {
        address.into()
    }
}

/// Returns a value in the type that a setting takes: Centrifugo also takes numbers and switches as texts,
/// and lists as one text with spaces.
fn converted(flag: &Flag, value: &Value) -> Value {
    let Value::String(text) = value else {
        return value.clone();
    };
    if flag.is_list() && !matches!(flag.kind, FlagKind::Tables) {
        return text.split_whitespace().collect::<Vec<_>>().into();
    }
    match flag.kind {
        FlagKind::Switch => text.parse().map_or_else(|_| value.clone(), Value::Bool),
        FlagKind::Limit(_) | FlagKind::Number { .. } => match text.parse::<u64>() {
            Ok(number) => number.into(),
            Err(_) => value.clone(),
        },
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(table: &Value) -> Import {
        let mut import = Import::default();
        import.read(table.as_object().expect("an object"), "");
        import.listen();
        import.certificates();
        import
    }

    /// Returns an object with a value at this path.
    fn nested(key: &str, value: Value) -> Value {
        let names = key.rsplit('.');
        names.fold(value, |value, name| {
            let mut table = Map::new();
            table.insert(name.into(), value);
            table.into()
        })
    }

    #[test]
    fn every_key_without_a_counterpart_gives_a_line_or_a_setting() {
        for key in foreign::FOREIGN.iter().flat_map(|(keys, _)| *keys) {
            let import = imported(&nested(key, "1".into()));
            let named = import.notes.iter().any(|note| note.contains(key));
            let renamed = RENAMED.iter().any(|(theirs, _)| theirs == key);
            let is_taken = renamed || is_part(key) || *key == "client.connection_limit";
            assert!(named || is_taken, "{key}: {:?}", import.notes);
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
    fn addresses_are_put_together() {
        let listen = |table: Value| imported(&table).values["server.listen"].clone();
        for (table, expected) in [
            (serde_json::json!({}), ":8000"),
            (serde_json::json!({"http_server": {"port": 9000}}), ":9000"),
            (
                serde_json::json!({"http_server": {"address": "::1"}}),
                "[::1]:8000",
            ),
            (
                serde_json::json!({"address": "localhost", "port": "80"}),
                "localhost:80",
            ),
        ] {
            assert_eq!(listen(table), serde_json::json!([expected]));
        }
    }

    #[test]
    fn a_certificate_has_to_be_in_a_file() {
        let pem = "-----BEGIN CERTIFICATE-----";
        let tls = serde_json::json!({"enabled": true, "cert_pem": pem, "key_pem": "/key"});
        let import = imported(&nested("http_server.tls", tls));
        assert_eq!(import.values["tls.key"], serde_json::json!(["/key"]));
        assert!(!import.values.contains_key("tls.cert"));
        assert!(!import.comments(Path::new("f")).contains(pem));
        let off = serde_json::json!({"enabled": false, "cert_pem": "/cert"});
        assert!(
            !imported(&nested("http_server.tls", off))
                .values
                .contains_key("tls.cert")
        );
    }
}
