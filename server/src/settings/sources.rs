//! Sources of the settings by precedence: flag, environment, file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::declaration::FlagKind;
use super::error::{SettingsError, Source};
use super::flag::{FLAGS, Flag};
use super::raw::{RawSettings, RawValue};
use super::{file, help};

impl RawSettings {
    /// Collects the values of all sources.
    ///
    /// # Errors
    /// Returns a page to print, or an error if the command line cannot be parsed. Other errors are kept
    /// for [`finish`](Self::finish).
    pub(super) fn collect(
        args: impl Iterator<Item = OsString>,
        env: impl Fn(&str) -> Option<OsString>,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, SettingsError> {
        let (matches, errors) = help::matches(args, help::command)?;
        Ok(Self::from_matches(&matches, errors, env, read_file))
    }

    /// Collects the values of all sources. `errors` are those of the command line.
    pub(super) fn from_matches(
        matches: &ArgMatches,
        errors: Vec<SettingsError>,
        env: impl Fn(&str) -> Option<OsString>,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) -> Self {
        let mut raw = Self {
            values: BTreeMap::new(),
            errors: RefCell::new(errors),
            memory: None,
        };
        let config = match matches.get_one::<String>(help::CONFIG) {
            Some(path) => Some((PathBuf::from(path), Source::Flag("--config".into()))),
            None => {
                let source = Source::Environment(variable(help::CONFIG));
                raw.variable(&env, help::CONFIG, help::CONFIG)
                    .map(|path| (PathBuf::from(path), source))
            }
        };
        if let Some((path, source)) = config {
            match read_config(&path, &source, &read_file) {
                Ok(file::Contents { values, errors }) => {
                    raw.errors.get_mut().extend(errors);
                    for (key, texts) in values {
                        let source = Source::File(path.clone());
                        raw.values.insert(key, RawValue { source, texts });
                    }
                }
                Err(error) => raw.errors.get_mut().push(error),
            }
        }
        raw.read_flags(matches, &env);
        raw.read_secrets(read_file);
        raw
    }

    /// Takes what flags and variables say.
    fn read_flags(&mut self, matches: &ArgMatches, env: impl Fn(&str) -> Option<OsString>) {
        for flag in &*FLAGS {
            let value = if let Some(texts) = matches.get_many::<String>(flag.key) {
                RawValue {
                    source: Source::Flag(format!("--{}", flag.name())),
                    texts: texts.cloned().collect(),
                }
            } else if let Some(text) = self.variable(&env, flag.key, &flag.name()) {
                let texts = if flag.is_list() {
                    text.split(',').map(Into::into).collect()
                } else {
                    vec![text]
                };
                RawValue {
                    source: Source::Environment(flag.variable()),
                    texts,
                }
            } else {
                continue;
            };
            self.values.insert(flag.key, value);
        }
    }

    /// Returns the variable of a setting. An empty one, as templates produce, is ignored.
    fn variable(
        &self,
        env: impl Fn(&str) -> Option<OsString>,
        key: &str,
        name: &str,
    ) -> Option<String> {
        let variable = variable(key);
        let value = env(&variable).filter(|value| !value.is_empty())?;
        match value.into_string() {
            Ok(text) => Some(text),
            Err(value) => {
                self.report(SettingsError::Value {
                    key: name.into(),
                    source: Source::Environment(variable),
                    value: match Flag::find(key) {
                        Some(flag) => flag.shown(&value.to_string_lossy()),
                        None => value.to_string_lossy().into_owned(),
                    },
                    allowed: "UTF-8 only".into(),
                });
                None
            }
        }
    }
}

impl Flag {
    /// Returns the name of its environment variable.
    pub(crate) fn variable(&self) -> String {
        variable(self.key)
    }

    /// Returns whether several values can be given.
    pub(crate) const fn is_list(&self) -> bool {
        use FlagKind::{Addresses, Hosts, Origins, Paths, Proxies, Subprotocols, Words};
        matches!(
            self.kind,
            Addresses | Origins | Hosts | Paths | Subprotocols | Proxies | Words(_)
        )
    }

    /// Returns the key most similar to one that does not exist, if any is similar.
    pub(crate) fn nearest(key: &str) -> Option<&'static str> {
        Self::nearest_of(FLAGS.iter(), key)
    }

    /// Returns the most similar key of these settings, if any is similar.
    pub(super) fn nearest_of(
        flags: impl Iterator<Item = &'static Self>,
        key: &str,
    ) -> Option<&'static str> {
        let plain = |name: &str| name.replace(['-', '.'], "_");
        let wanted = plain(key.trim_start_matches('-'));
        let similarity = |flag: &Self| {
            let whole = [Some(flag.key), flag.short].into_iter().flatten();
            let whole = whole.map(|name| strsim::jaro_winkler(&wanted, &plain(name)));
            // Without its section a key is less likely to be meant.
            let last = flag.key.rsplit('.').next().unwrap_or_default();
            whole.fold(0.95 * strsim::jaro_winkler(&wanted, last), f64::max)
        };
        let mut best = (MIN_SIMILARITY, None);
        for flag in flags {
            let similarity = similarity(flag);
            if similarity > best.0 {
                best = (similarity, Some(flag.key));
            }
        }
        best.1
    }
}

fn read_config(
    path: &Path,
    source: &Source,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<file::Contents, SettingsError> {
    let text = read_file(path).map_err(|error| SettingsError::File {
        path: path.into(),
        source: source.clone(),
        problem: error.to_string(),
    })?;
    file::read(&text, path, source)
}

/// Returns the environment variable of the setting with this key.
fn variable(key: &str) -> String {
    format!("STENTOR_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// Two names are similar from this Jaro-Winkler similarity on.
const MIN_SIMILARITY: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_has_a_nearest_one() {
        for (wrong, nearest) in [
            ("websocket.ping_intervall", Some("websocket.ping_interval")),
            ("ping_interval", Some("websocket.ping_interval")),
            ("--allow-orgin", Some("client.allowed_origins")),
            ("listen", Some("server.listen")),
            ("queue.mesages", Some("queue.messages")),
            ("xyzzy", None),
        ] {
            assert_eq!(Flag::nearest(wrong), nearest, "{wrong}");
        }
    }
}
