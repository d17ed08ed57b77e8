//! Names, sources and values of a setting, derived from its declaration.
//!
//! A setting is declared once: the limits of the core in [`stentor_core::Config::RANGES`], all others
//! in `table`.

use std::sync::LazyLock;

use stentor_core::Config;
use stentor_core::config::Range;

use super::Settings;
use super::declaration::{Declaration, FlagKind};
use super::machine::MEMORY_BUDGET;
use super::table::{SECTIONS, own, section_prefix};
use super::value::{Bounds, HOSTS, ORIGINS, PROXIES, SUBPROTOCOLS};
use crate::address::ADDRESSES;

/// A setting: a flag, an environment variable and a path in the file.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The dotted path in the file, such as `websocket.ping_interval`.
    pub(crate) key: &'static str,
    /// A second, shorter flag, without its dashes.
    pub(crate) short: Option<&'static str>,
    /// The heading in the help and in the reference.
    pub(crate) section: &'static str,
    pub(crate) kind: FlagKind,
    /// The help text.
    pub(crate) about: String,
    /// The range in words, if the bounds do not describe it.
    pub(super) range: Option<&'static str>,
    /// The default in words, if it is not a constant of the type.
    pub(super) default: Option<&'static str>,
}

/// All settings except for the file itself, in the order of the help: by section, those of the server
/// first.
pub(crate) static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let mut flags = Vec::new();
    for (section, prefixes) in SECTIONS {
        for prefix in *prefixes {
            let is_here = |key: &str| section_prefix(key) == *prefix;
            let own = own().filter(|own| is_here(own.key));
            flags.extend(own.map(|own| Flag::own(section, own)));
            let limits = Config::RANGES.iter();
            let limits = limits.filter(|range| is_here(range.setting));
            flags.extend(limits.map(|range| Flag::limit(section, range)));
        }
    }
    flags
});

impl Flag {
    fn own(section: &'static str, own: &Declaration) -> Self {
        Self {
            section,
            key: own.key,
            short: own.short,
            kind: own.kind,
            about: own.about.map_or_else(
                || match own.kind {
                    FlagKind::Limit(range) => range.about(),
                    _ => String::new(),
                },
                Into::into,
            ),
            range: own.range,
            default: own.default,
        }
    }

    fn limit(section: &'static str, range: &'static Range) -> Self {
        Self {
            section,
            key: range.setting,
            short: range.short,
            kind: FlagKind::Limit(range),
            about: range.about(),
            range: None,
            default: (range.setting == MEMORY_BUDGET)
                .then_some("half of the memory of the cgroup or the machine"),
        }
    }

    /// Returns the setting with this key, which must exist.
    pub(crate) fn of(key: &str) -> &'static Self {
        Self::find(key).expect("a key from the table")
    }

    /// Returns the setting with this key, if there is one.
    pub(crate) fn find(key: &str) -> Option<&'static Self> {
        FLAGS.iter().find(|flag| flag.key == key)
    }

    /// Returns the setting of a limit of the core by its name in the builder.
    pub(super) fn of_limit(name: &str) -> Option<&'static Self> {
        let is_it = |flag: &&Self| matches!(flag.kind, FlagKind::Limit(range) if range.key == name);
        FLAGS.iter().find(is_it)
    }

    /// Returns the long flag without its dashes, such as `websocket.ping-interval`.
    pub(crate) fn long(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Returns the flag that messages name: the short one, if there is one.
    pub(crate) fn name(&self) -> String {
        self.short.map_or_else(|| self.long(), Into::into)
    }

    /// Returns the bounds of a number.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        match self.kind {
            FlagKind::Limit(range) if self.default.is_some() => Some(Bounds {
                default: None,
                ..Bounds::from(range)
            }),
            FlagKind::Limit(range) => Some(Bounds::from(range)),
            FlagKind::Number { bounds, .. } => Some(bounds),
            _ => None,
        }
    }

    /// Returns the number that a server was started with, if the metrics show it.
    pub(crate) fn number(&self, settings: &Settings) -> Option<u64> {
        match self.kind {
            FlagKind::Limit(range) => Some(range.get(&settings.config)),
            FlagKind::Number { get, .. } => get(settings),
            _ => None,
        }
    }

    /// Returns whether the value is not shown.
    pub(crate) const fn is_secret(&self) -> bool {
        matches!(self.kind, FlagKind::Secret)
    }

    /// Returns whether another setting may name a file with the value.
    pub(crate) const fn may_be_in_a_file(&self) -> bool {
        matches!(self.kind, FlagKind::Secret | FlagKind::PublicKey)
    }

    /// Returns a value as it is shown.
    pub(crate) fn shown(&self, text: &str) -> String {
        let shown = if self.is_secret() { HIDDEN } else { text };
        shown.into()
    }

    /// Parses a word.
    pub(crate) fn word(&self, text: &str) -> Option<&'static str> {
        let (FlagKind::Choice(words, _) | FlagKind::Words(words)) = self.kind else {
            return None;
        };
        words.iter().copied().find(|word| *word == text.trim())
    }

    /// Parses a switch.
    pub(crate) fn switch(&self, text: &str) -> Option<bool> {
        text.trim().parse().ok()
    }

    /// Parses a number.
    pub(crate) fn number_of(&self, text: &str) -> Option<u64> {
        self.bounds()?.parse(text)
    }

    /// Returns what an error message names as allowed.
    pub(crate) fn allowed(&self) -> String {
        match self.kind {
            FlagKind::Limit(_) | FlagKind::Number { .. } => {
                let bounds = self.bounds();
                bounds.map(|bounds| bounds.allowed()).unwrap_or_default()
            }
            FlagKind::Choice(..) if self.range.is_some() => self.range.unwrap_or_default().into(),
            FlagKind::Choice(words, _) | FlagKind::Words(words) => words.join(", "),
            FlagKind::Text(_) => self.range.unwrap_or("a text").into(),
            FlagKind::Secret => "a text".into(),
            FlagKind::PublicKey => "a public key as PEM".into(),
            FlagKind::File => "the name of a file".into(),
            FlagKind::Tables => "an array of tables, each with a name and options".into(),
            FlagKind::Switch => "true or false".into(),
            FlagKind::Address | FlagKind::Addresses => ADDRESSES.into(),
            FlagKind::Origins => ORIGINS.into(),
            FlagKind::Hosts => HOSTS.into(),
            FlagKind::Subprotocols => SUBPROTOCOLS.into(),
            FlagKind::Paths => "names of files".into(),
            FlagKind::Proxies => PROXIES.into(),
        }
    }
}

/// What is shown in place of a secret.
pub(crate) const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use stentor_core::Config;

    use super::*;

    #[test]
    fn every_declaration_is_a_setting() {
        for range in Config::RANGES.iter().chain([&Config::SHARDS]) {
            let flag = Flag::find(range.setting).expect("a setting");
            let is_it = matches!(flag.kind, FlagKind::Limit(of) if of.key == range.key);
            assert!(is_it, "{}", range.key);
        }
        assert_eq!(FLAGS.len(), Config::RANGES.len() + own().count());
        for flag in &*FLAGS {
            assert!(!flag.allowed().is_empty(), "{}", flag.key);
        }
    }

    #[test]
    fn names_are_unique_in_every_form() {
        let mut names: Vec<String> = FLAGS
            .iter()
            .flat_map(|flag| [Some(flag.long()), flag.short.map(Into::into)])
            .flatten()
            .collect();
        let mut variables: Vec<String> = FLAGS.iter().map(Flag::variable).collect();
        for names in [&mut names, &mut variables] {
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }
}
