//! Secrets and keys from files.

use std::io;
use std::path::{Path, PathBuf};

use super::error::Source;
use super::flag::FLAGS;
use super::raw::{RawSettings, RawValue};

impl RawSettings {
    /// Reads the files of secrets and keys, whose settings have the key of the secret and the ending
    /// `_file`.
    pub(super) fn read_secrets(&mut self, read_file: impl Fn(&Path) -> io::Result<String>) {
        for secret in FLAGS.iter().filter(|flag| flag.may_be_in_a_file()) {
            let key = format!("{}_file", secret.key);
            let Some(name) = self.text(&key).filter(|name| !name.is_empty()) else {
                continue;
            };
            if self.text(secret.key).is_some_and(|text| !text.is_empty()) {
                let problem = format!("cannot be used together with `{key}`");
                self.report_problem(secret.key, problem);
                continue;
            }
            let path = PathBuf::from(name);
            let text = match read_file(&path) {
                Ok(text) => text,
                Err(error) => {
                    let problem = format!("names a file that cannot be read: {name}: {error}");
                    self.report_problem(&key, problem);
                    continue;
                }
            };
            let line = text.strip_suffix('\n').unwrap_or(&text);
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                self.report_problem(&key, format!("names a file that is empty: {name}"));
                continue;
            }
            let value = RawValue {
                source: Source::File(path),
                texts: vec![line.into()],
            };
            self.values.insert(secret.key, value);
        }
    }
}
