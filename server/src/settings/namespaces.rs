//! Conversion of the settings of channels into namespaces.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings, Namespaces, PersonalChannel};

use super::channel_table::{ChannelOption, OPTIONS, WITHOUT_NAMESPACE};
use super::error::{SettingsError, Source};
use super::flag::Flag;
use super::raw::RawSettings;
use super::{file, foreign, json};

const NAMESPACES: &str = "channel.namespaces";
pub(super) const SEED_NAMESPACE: &str = "seed_protocol.namespace";

/// Returns the namespaces. Reports everything that is wrong.
pub(super) fn namespaces(raw: &RawSettings) -> Namespaces {
    let mut entries = Entries {
        raw,
        source: raw.source(NAMESPACES),
        namespaces: Vec::new(),
        wrong: BTreeSet::new(),
        is_complete: true,
    };
    if let Some(text) = raw.text(NAMESPACES) {
        entries.read(text);
    }
    let Entries {
        namespaces,
        mut wrong,
        source,
        is_complete,
        ..
    } = entries;
    let seed = raw.text_or_default(SEED_NAMESPACE);
    let is_known = seed.is_empty() || namespaces.iter().any(|(name, _)| name == seed);
    if !is_known && is_complete {
        let problem = "is not the name of one of `channel.namespaces`";
        raw.report_problem(SEED_NAMESPACE, problem);
    }
    let text = |key| raw.text_or_default(key).to_owned();
    let personal = "client.subscribe_to_user_personal_channel.personal_channel_namespace";
    let settings = ChannelSettings {
        without_namespace: without_namespace(raw, &mut wrong),
        namespaces,
        max_length: raw.number("channel.max_length") as usize,
        private_prefix: text("channel.private_prefix"),
        namespace_boundary: text("channel.namespace_boundary"),
        user_boundary: text("channel.user_boundary"),
        user_separator: text("channel.user_separator"),
        history_meta_ttl: raw.time("channel.history_meta_ttl"),
        personal_channel: PersonalChannel {
            enabled: raw.switch("client.subscribe_to_user_personal_channel.enabled"),
            personal_channel_namespace: text(personal),
            single_connection: raw
                .switch("client.subscribe_to_user_personal_channel.single_connection"),
        },
    };
    settings.build().unwrap_or_else(|errors| {
        for error in errors {
            let key = error.key();
            // It may follow from an error that is reported already.
            let is_reported = wrong.iter().any(|section| {
                let rest = key.strip_prefix(section.as_str());
                rest.is_some_and(|rest| rest.starts_with('.'))
            });
            if is_reported || key == personal && !is_complete {
                continue;
            }
            let source = if key.starts_with(NAMESPACES) {
                source.clone()
            } else {
                raw.source(&key)
            };
            raw.report(SettingsError::Channels { error, source });
        }
        let defaults = ChannelSettings::default().build();
        defaults.unwrap_or_else(|errors| unreachable!("the defaults are valid: {errors:?}"))
    })
}

/// Returns the options of channels without a namespace. Adds their section to `wrong` if they are.
fn without_namespace(raw: &RawSettings, wrong: &mut BTreeSet<String>) -> ChannelOptions {
    let mut options = ChannelOptions::default();
    for option in OPTIONS {
        let flag = option.flag();
        let Some(value) = raw.values.get(flag.key) else {
            continue;
        };
        if let Err(text) = option.apply(&mut options, &value.texts) {
            raw.refuse(flag, &text);
            wrong.insert(WITHOUT_NAMESPACE.trim_end_matches('.').into());
        }
    }
    options
}

/// The entries of `channel.namespaces`, as far as they are read.
struct Entries<'a> {
    raw: &'a RawSettings,
    source: Source,
    namespaces: Vec<(String, ChannelOptions)>,
    /// The sections that have errors already.
    wrong: BTreeSet<String>,
    /// Whether there are no further entries, which could not be read.
    is_complete: bool,
}

impl Entries<'_> {
    fn read(&mut self, text: &str) {
        let (value, duplicates) = match json::parse(text) {
            Ok(parsed) => parsed,
            Err(problem) => return self.report(NAMESPACES, format!("is not JSON: {problem}")),
        };
        for key in duplicates {
            let key = format!("{NAMESPACES}{key}");
            self.raw.report(SettingsError::duplicate(key, &self.source));
        }
        let Value::Array(entries) = value else {
            return self.report(NAMESPACES, "has to be an array of tables");
        };
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("{NAMESPACES}[{index}]");
            match entry {
                Value::Object(table) => self.read_entry(&place, table),
                _ => self.report(&place, "has to be a table"),
            }
        }
    }

    fn read_entry(&mut self, place: &str, table: &Map<String, Value>) {
        let Some(Value::String(name)) = table.get("name") else {
            return self.report(place, "has to have a `name`, which is a text");
        };
        let section = format!("{NAMESPACES}.{name}");
        let mut options = ChannelOptions::default();
        for (key, value) in table.iter().filter(|(key, _)| *key != "name") {
            if let Err(error) = self.set(&section, key, value, &mut options) {
                self.raw.report(error);
                self.wrong.insert(section.clone());
            }
        }
        self.namespaces.push((name.clone(), options));
    }

    fn set(
        &self,
        section: &str,
        name: &str,
        value: &Value,
        options: &mut ChannelOptions,
    ) -> Result<(), SettingsError> {
        let key = format!("{section}.{name}");
        let source = || self.source.clone();
        let Some(option) = ChannelOption::find(name) else {
            let as_setting = format!("{WITHOUT_NAMESPACE}{name}");
            let problem = foreign::advice(&as_setting).map_or_else(
                || match nearest(name) {
                    Some(nearest) => format!("is not an option; the nearest is `{nearest}`"),
                    None => format!("is not an option; --help lists them as {WITHOUT_NAMESPACE}*"),
                },
                foreign::problem,
            );
            return Err(SettingsError::Problem {
                key,
                source: source(),
                problem,
            });
        };
        let flag = option.flag();
        let refuse = |value: &str, allowed| SettingsError::Problem {
            key: key.clone(),
            source: source(),
            problem: format!("cannot be `{value}`; it takes {allowed}"),
        };
        let texts = file::texts(flag, value)
            .ok_or_else(|| refuse(&value.to_string(), file::expected(flag)))?;
        let applied = option.apply(options, &texts);
        applied.map_err(|text| refuse(&text, flag.allowed()))
    }

    /// Reports a problem of all entries or of one.
    fn report(&mut self, key: &str, problem: impl Into<String>) {
        self.raw.report(SettingsError::Problem {
            key: key.into(),
            source: self.source.clone(),
            problem: problem.into(),
        });
        self.is_complete = false;
    }
}

/// Returns the option with the most similar name.
fn nearest(name: &str) -> Option<&'static str> {
    let flags = OPTIONS.iter().map(|option| option.flag());
    let key = Flag::nearest_of(flags, name)?;
    key.strip_prefix(WITHOUT_NAMESPACE)
}
