//! Settings as TOML: those that a server would have, and the defaults.

use std::fmt::Write as _;

use serde_json::Value;
use stentor_core::config::Unit;

use crate::settings::Settings;
use crate::settings::declaration::FlagKind;
use crate::settings::flag::{FLAGS, Flag, HIDDEN};
use crate::settings::raw::RawSettings;

/// Returns the settings that a server would have.
pub(super) fn effective(raw: &RawSettings, settings: &Settings) -> String {
    let namespaces = namespaces(raw);
    let mut page = page(|flag| {
        if matches!(flag.kind, FlagKind::Tables) && !namespaces.is_empty() {
            return String::new();
        }
        if flag.may_be_in_a_file() && raw.text(&format!("{}_file", flag.key)).is_some() {
            return format!("# {}: in the file\n", name(flag));
        }
        let value = value(flag, raw, settings).or_else(|| default(flag));
        match value {
            Some(value) => format!("{} = {value}\n", name(flag)),
            None => format!("# {}: {}\n", name(flag), flag.default()),
        }
    });
    page += &namespaces;
    page
}

/// Returns all defaults, with what each setting is for.
pub(super) fn defaults() -> String {
    page(|flag| {
        let about = format!("# {} [{}]\n", flag.about, flag.range());
        match default(flag) {
            Some(value) => format!("{about}{} = {value}\n", name(flag)),
            None => format!("{about}# {}: {}\n", name(flag), flag.default()),
        }
    })
}

/// Returns the settings by table, each as `line` writes it, without tables that are empty.
pub(super) fn page(line: impl Fn(&'static Flag) -> String) -> String {
    let mut tables: Vec<(&str, String)> = Vec::new();
    for flag in &*FLAGS {
        let table = flag.key.rsplit_once('.').map_or("", |(table, _)| table);
        match tables.iter_mut().find(|(name, _)| *name == table) {
            Some((_, lines)) => *lines += &line(flag),
            None => tables.push((table, line(flag))),
        }
    }
    let mut page = String::new();
    for (table, lines) in tables.iter().filter(|(_, lines)| !lines.is_empty()) {
        let before = if page.is_empty() { "" } else { "\n" };
        // Writing to a text does not fail.
        let _ = write!(page, "{before}[{table}]\n{lines}");
    }
    page
}

/// Returns a setting with this value.
pub(super) fn line(flag: &Flag, value: &Value) -> String {
    // What is not TOML was refused.
    toml::Value::try_from(value)
        .map(|value| format!("{} = {value}\n", name(flag)))
        .unwrap_or_default()
}

/// Returns the last part of a key.
fn name(flag: &Flag) -> &'static str {
    flag.key.rsplit('.').next().unwrap_or(flag.key)
}

/// Returns the value that a server would have, if it is not the default.
fn value(flag: &Flag, raw: &RawSettings, settings: &Settings) -> Option<String> {
    if flag.key == "seed_protocol.enabled" {
        return Some(settings.gateway.seed_protocol.enabled.to_string());
    }
    if let Some(number) = flag.number(settings) {
        return number_text(flag, number);
    }
    let given = raw.values.get(flag.key)?;
    if flag.is_list() {
        let items: Vec<_> = given.texts.iter().map(|text| quoted(text.trim())).collect();
        return Some(format!("[{}]", items.join(", ")));
    }
    let text = given.texts.first()?;
    match flag.kind {
        FlagKind::Secret | FlagKind::PublicKey | FlagKind::File if text.is_empty() => None,
        // All of them follow at the end.
        FlagKind::Tables => None,
        FlagKind::Secret => Some(quoted(HIDDEN)),
        FlagKind::Switch => Some(text.trim().into()),
        FlagKind::Text(_) | FlagKind::PublicKey | FlagKind::File => Some(quoted(text)),
        FlagKind::Limit(_) | FlagKind::Number { .. } => number_text(flag, flag.number_of(text)?),
        _ => Some(quoted(text.trim())),
    }
}

/// Returns the default, if there is one that does not depend on the machine or on other settings.
fn default(flag: &Flag) -> Option<String> {
    match flag.kind {
        FlagKind::Switch => match flag.default {
            None => Some("false".into()),
            Some("true") => Some("true".into()),
            Some(_) => None,
        },
        FlagKind::Choice(_, default) | FlagKind::Text(default) => Some(quoted(default)),
        FlagKind::Addresses => Some(format!("[{}]", quoted(flag.default?))),
        FlagKind::Paths
        | FlagKind::Subprotocols
        | FlagKind::Proxies
        | FlagKind::Words(_)
        | FlagKind::Tables => Some("[]".into()),
        FlagKind::Limit(_) | FlagKind::Number { .. } => number_text(flag, flag.bounds()?.default?),
        FlagKind::Address
        | FlagKind::Origins
        | FlagKind::Hosts
        | FlagKind::Secret
        | FlagKind::PublicKey
        | FlagKind::File => None,
    }
}

/// Returns a number in the form that a file takes.
fn number_text(flag: &Flag, number: u64) -> Option<String> {
    let bounds = flag.bounds()?;
    let is_integer = bounds.unit == Unit::Count && i64::try_from(bounds.max).is_ok();
    Some(if is_integer {
        number.to_string()
    } else {
        quoted(&bounds.show(number))
    })
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Returns the namespaces.
fn namespaces(raw: &RawSettings) -> String {
    let text = raw.text("channel.namespaces").unwrap_or("[]");
    let entries: Vec<serde_json::Map<String, Value>> =
        serde_json::from_str(text).unwrap_or_default();
    tables("channel.namespaces", &entries)
}

/// Returns a list of tables.
pub(super) fn tables(name: &str, entries: &[serde_json::Map<String, Value>]) -> String {
    let mut page = String::new();
    for entry in entries {
        let _ = writeln!(page, "\n[[{name}]]");
        let (names, options): (Vec<_>, Vec<_>) = entry.iter().partition(|(key, _)| *key == "name");
        for (key, value) in names.into_iter().chain(options) {
            // What is not TOML was refused.
            if let Ok(value) = toml::Value::try_from(value) {
                let _ = writeln!(page, "{key} = {value}");
            }
        }
    }
    page
}
