//! Which settings of channels are refused, and why. Every error names its key.

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Display, Formatter};
use core::time::Duration;

use stentor_core::OverflowPolicy;

use super::options::{ChannelOptions, Conflation, RecoveryMode};
use super::settings::ChannelSettings;

/// A setting that is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingError {
    section: String,
    name: &'static str,
    problem: SettingProblem,
}

/// Why a setting is refused. Other options are of the same section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SettingProblem {
    /// Two options contradict each other.
    Conflict {
        /// The other option.
        with: &'static str,
    },
    /// The option needs another one.
    Needs {
        /// The other option.
        other: &'static str,
    },
    /// Another setting needs the option.
    NeededBy {
        /// The other setting.
        other: &'static str,
    },
    /// It must not be more than another one.
    MoreThan {
        /// The other option.
        other: &'static str,
    },
    /// It must not be zero or empty.
    Empty,
    /// The name of a namespace is not of letters, digits, `-`, `_` and `.`, at least two.
    InvalidName,
    /// There is another namespace with this name.
    Duplicate,
    /// There is no namespace with this name.
    UnknownNamespace,
    /// It is not ASCII, or has characters of namespaces.
    InvalidDelimiter,
    /// It is not a regular expression, or too large.
    InvalidPattern,
}

impl SettingError {
    pub(super) const fn new(section: String, name: &'static str, problem: SettingProblem) -> Self {
        Self {
            section,
            name,
            problem,
        }
    }

    /// Returns the key of the setting, such as `channel.namespaces.chat.history_ttl`.
    pub fn key(&self) -> String {
        let Self { section, name, .. } = self;
        if name.is_empty() {
            section.clone()
        } else {
            alloc::format!("{section}.{name}")
        }
    }

    /// Returns why it is refused.
    pub const fn problem(&self) -> &SettingProblem {
        &self.problem
    }
}

impl Display for SettingError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (key, section) = (self.key(), &self.section);
        match self.problem {
            SettingProblem::Conflict { with } => {
                write!(f, "{key} cannot be used together with {section}.{with}")
            }
            SettingProblem::Needs { other } => write!(f, "{key} needs {section}.{other}"),
            SettingProblem::NeededBy { other } => write!(f, "{key} is needed by {other}"),
            SettingProblem::MoreThan { other } => {
                write!(f, "{key} is more than {section}.{other}")
            }
            SettingProblem::Empty => write!(f, "{key} must not be zero or empty"),
            SettingProblem::InvalidName => write!(
                f,
                "{key}: a namespace has a name of at least two letters, digits, '-', '_' or '.'"
            ),
            SettingProblem::Duplicate => write!(f, "{key} is there twice"),
            SettingProblem::UnknownNamespace => write!(f, "{key}: there is no such namespace"),
            SettingProblem::InvalidDelimiter => {
                write!(
                    f,
                    "{key} must be ASCII without letters, digits, '-', '_' and '.'"
                )
            }
            SettingProblem::InvalidPattern => write!(f, "{key} is not a regular expression"),
        }
    }
}

impl Error for SettingError {}

/// The key of the options of a namespace, empty for channels without.
pub(super) fn section_of(namespace: &str) -> String {
    if namespace.is_empty() {
        "channel.without_namespace".into()
    } else {
        alloc::format!("channel.namespaces.{namespace}")
    }
}

/// Finds everything that is wrong but patterns.
pub(super) fn validate(settings: &ChannelSettings, errors: &mut Vec<SettingError>) {
    validate_names(settings, errors);
    let without = ("", &settings.without_namespace);
    let namespaces = settings.namespaces.iter();
    let namespaces = namespaces.map(|(name, options)| (name.as_str(), options));
    for (name, options) in [without].into_iter().chain(namespaces) {
        let mut rules = OptionRules {
            section: section_of(name),
            options,
            history_meta_ttl: options
                .history_meta_ttl
                .unwrap_or(settings.history_meta_ttl),
            errors,
        };
        rules.check_history();
        rules.check_delivery();
    }
    validate_personal_channel(settings, errors);
}

fn validate_names(settings: &ChannelSettings, errors: &mut Vec<SettingError>) {
    let mut refuse =
        |name, problem| errors.push(SettingError::new("channel".into(), name, problem));
    if settings.max_length == 0 {
        refuse("max_length", SettingProblem::Empty);
    }
    if settings.history_meta_ttl.is_zero() {
        refuse("history_meta_ttl", SettingProblem::Empty);
    }
    let delimiters = [
        ("private_prefix", &settings.private_prefix, false),
        ("namespace_boundary", &settings.namespace_boundary, true),
        ("user_boundary", &settings.user_boundary, false),
        ("user_separator", &settings.user_separator, true),
    ];
    for (index, (name, delimiter, is_required)) in delimiters.into_iter().enumerate() {
        if delimiter.is_empty() {
            if is_required {
                refuse(name, SettingProblem::Empty);
            }
            continue;
        }
        if !delimiter
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !is_name_byte(byte))
        {
            refuse(name, SettingProblem::InvalidDelimiter);
        }
        for (with, other, _) in &delimiters[..index] {
            if delimiter == *other {
                refuse(name, SettingProblem::Conflict { with });
            }
        }
    }
    for (index, (name, _)) in settings.namespaces.iter().enumerate() {
        if !is_namespace(name) {
            let key = section_of(if name.is_empty() { "\"\"" } else { name });
            errors.push(SettingError::new(key, "", SettingProblem::InvalidName));
        } else if settings.namespaces[..index]
            .iter()
            .any(|(other, _)| other == name)
        {
            errors.push(SettingError::new(
                section_of(name),
                "",
                SettingProblem::Duplicate,
            ));
        }
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn is_namespace(name: &str) -> bool {
    name.len() >= 2 && name.bytes().all(is_name_byte)
}

fn validate_personal_channel(settings: &ChannelSettings, errors: &mut Vec<SettingError>) {
    const SECTION: &str = "client.subscribe_to_user_personal_channel";
    let personal = &settings.personal_channel;
    let mut refuse = |name, problem| errors.push(SettingError::new(SECTION.into(), name, problem));
    if !personal.enabled {
        if personal.single_connection {
            refuse(
                "single_connection",
                SettingProblem::Needs { other: "enabled" },
            );
        }
        return;
    }
    if settings.user_boundary.is_empty() {
        let section = String::from("channel");
        errors.push(SettingError::new(
            section,
            "user_boundary",
            SettingProblem::Empty,
        ));
        return;
    }
    let namespace = &personal.personal_channel_namespace;
    let mut namespaces = settings.namespaces.iter();
    let options = match namespaces.find(|(name, _)| name == namespace) {
        Some((_, options)) => options,
        None if namespace.is_empty() => &settings.without_namespace,
        None => {
            return refuse(
                "personal_channel_namespace",
                SettingProblem::UnknownNamespace,
            );
        }
    };
    // The connections of a user are found by the presence of the channel.
    if personal.single_connection && !options.presence {
        let other = "client.subscribe_to_user_personal_channel.single_connection";
        errors.push(SettingError::new(
            section_of(namespace),
            "presence",
            SettingProblem::NeededBy { other },
        ));
    }
}

/// Rules for the options of one namespace.
struct OptionRules<'a> {
    section: String,
    options: &'a ChannelOptions,
    history_meta_ttl: Duration,
    errors: &'a mut Vec<SettingError>,
}

impl OptionRules<'_> {
    fn refuse(&mut self, name: &'static str, problem: SettingProblem) {
        self.errors
            .push(SettingError::new(self.section.clone(), name, problem));
    }

    fn check_history(&mut self) {
        let options = self.options;
        if options.history_size > 0 && options.history_ttl.is_zero() {
            self.refuse(
                "history_size",
                SettingProblem::Needs {
                    other: "history_ttl",
                },
            );
        }
        if options.history_size == 0 && !options.history_ttl.is_zero() {
            self.refuse(
                "history_ttl",
                SettingProblem::Needs {
                    other: "history_size",
                },
            );
        }
        if options.history_meta_ttl.is_some_and(|ttl| ttl.is_zero()) {
            self.refuse("history_meta_ttl", SettingProblem::Empty);
        } else if options.history_ttl > self.history_meta_ttl {
            let other = "history_meta_ttl";
            self.refuse("history_ttl", SettingProblem::MoreThan { other });
        }
        if options.has_history() {
            return;
        }
        let other = if options.history_size == 0 {
            "history_size"
        } else {
            "history_ttl"
        };
        for (name, is_set) in [
            ("force_positioning", options.force_positioning),
            ("force_recovery", options.force_recovery),
            ("auto_cache_recover", options.auto_cache_recover),
        ] {
            if is_set {
                self.refuse(name, SettingProblem::Needs { other });
            }
        }
    }

    /// Publications that replace others, that expire in the queue or that are dropped for newer ones
    /// leave gaps, which subscribers with a position must not have.
    fn check_delivery(&mut self) {
        let options = self.options;
        let gaps = [
            ("ttl", options.ttl.is_some()),
            (
                "overflow",
                options.overflow == Some(OverflowPolicy::DropOldest),
            ),
            ("conflate", options.conflate != Conflation::Off),
        ];
        let recovers =
            options.force_recovery && options.force_recovery_mode == RecoveryMode::Stream;
        let no_gaps = [
            ("force_positioning", options.force_positioning),
            ("force_recovery", recovers),
            ("delta_publish", options.delta_publish),
        ];
        for (name, leaves_gaps) in gaps {
            for (with, needs_all) in no_gaps {
                if leaves_gaps && needs_all {
                    self.refuse(name, SettingProblem::Conflict { with });
                }
            }
        }
        if options.ttl.is_some_and(|ttl| ttl.is_zero()) {
            self.refuse("ttl", SettingProblem::Empty);
        }
        if options.conflate == Conflation::Tag(String::new()) {
            self.refuse("conflate", SettingProblem::Empty);
        }
        if options.overflow == Some(OverflowPolicy::Conflate) && options.conflate == Conflation::Off
        {
            self.refuse("overflow", SettingProblem::Needs { other: "conflate" });
        }
    }
}
