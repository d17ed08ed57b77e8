//! The values that were given, kept to tell what has changed when they are read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::raw::RawSettings;

/// The texts of all settings that were given.
#[derive(Clone, Default)]
pub(crate) struct Given(BTreeMap<&'static str, Vec<String>>);

impl Given {
    pub(super) fn new(raw: &RawSettings) -> Self {
        let values = raw.values.iter();
        Self(
            values
                .map(|(key, value)| (*key, value.texts.clone()))
                .collect(),
        )
    }

    /// Returns the settings that others have otherwise.
    pub(crate) fn changes(&self, other: &Self) -> Vec<&'static str> {
        let keys: BTreeSet<_> = self.0.keys().chain(other.0.keys()).copied().collect();
        let is_changed = |key: &&str| self.0.get(key) != other.0.get(key);
        keys.into_iter().filter(is_changed).collect()
    }
}

/// Returns whether a running server takes a new value of a setting.
pub(crate) fn is_live(key: &str) -> bool {
    const KEYS: [&str; 3] = ["log.level", "http_api.key", "http_api.previous_key"];
    const SECTIONS: [&str; 3] = ["channel.", "client.token.", "client.subscription_token."];
    let key = key.strip_suffix("_file").unwrap_or(key);
    KEYS.contains(&key) || SECTIONS.iter().any(|section| key.starts_with(section))
}

/// Some are secret.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Given").field(&self.0.len()).finish()
    }
}
