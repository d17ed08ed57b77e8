//! Errors of settings. Every text names the key, its source, the value and what is allowed.

use core::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use stentor_gateway::namespaces::SettingError;

use super::flag::Flag;
use super::foreign;

/// The source of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Source {
    /// A flag on the command line, by its name with the dashes.
    Flag(String),
    /// An environment variable, by its name.
    Environment(String),
    /// The file of settings.
    File(PathBuf),
    /// The default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "the flag {name}"),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// Why there are no settings to run with.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not an error: the page that `--help` or `--version` prints.
    Page(String),
    /// A command line that cannot be parsed, with a hint.
    Usage(String),
    /// A value that is not allowed.
    Value {
        /// The flag without its dashes, the short one if there is one.
        key: String,
        /// The source of the value.
        source: Source,
        /// The value as given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A name to listen on that cannot be resolved.
    Name {
        /// The flag without its dashes, the short one if there is one.
        key: String,
        /// The source of the value.
        source: Source,
        /// The value as given.
        value: String,
        /// The error of the operating system.
        problem: String,
    },
    /// A ping interval that leaves no time for the pong.
    PingTooLate {
        /// The ping interval and its source.
        ping_interval: (String, Source),
        /// The pong wait and its source.
        pong_wait: (String, Source),
    },
    /// A key that is not a setting.
    UnknownKey {
        /// The key as given.
        key: String,
        /// Its source.
        source: Source,
        /// The key of the setting with the most similar name, if any is similar.
        nearest: Option<&'static str>,
    },
    /// A key that is wrong for another reason.
    Problem {
        /// The key of the setting, or what else is wrong.
        key: String,
        /// Its source.
        source: Source,
        /// What is wrong with it, as the rest of a sentence.
        problem: String,
    },
    /// Options of channels that are refused.
    Channels {
        /// What is wrong.
        error: SettingError,
        /// The source of the setting.
        source: Source,
    },
    /// More than one error, at least two.
    Several(Vec<Self>),
    /// A file that could not be read, or is neither TOML nor JSON.
    File {
        /// The file.
        path: PathBuf,
        /// The source of its name.
        source: Source,
        /// What is wrong with it.
        problem: String,
    },
    /// The operating system refused something that settings need.
    System {
        /// What was requested.
        what: &'static str,
        /// The error of the operating system.
        problem: String,
    },
}

impl SettingsError {
    /// Returns the exit code of the process: 0 for a page, 2 for errors.
    pub fn exit_code(&self) -> i32 {
        if matches!(self, Self::Page(_)) { 0 } else { 2 }
    }

    /// Returns the error of a key that is not a setting.
    pub(super) fn unknown_key(key: String, source: Source) -> Self {
        match foreign::advice(&key) {
            Some(advice) => Self::Problem {
                key,
                source,
                problem: foreign::problem(advice),
            },
            None => Self::UnknownKey {
                nearest: Flag::nearest(&key),
                key,
                source,
            },
        }
    }

    /// Returns the error of a key that is there twice.
    pub(super) fn duplicate(key: String, source: &Source) -> Self {
        Self::Problem {
            key,
            source: source.clone(),
            problem: "is there twice".into(),
        }
    }

    /// Prints the page or the error and ends the process. Ignores a closed output.
    pub(crate) fn exit(&self) -> ! {
        let _ = match self {
            Self::Page(page) => write!(std::io::stdout(), "{page}"),
            Self::Usage(text) => write!(std::io::stderr(), "{text}"),
            _ => writeln!(std::io::stderr(), "error: {self}"),
        };
        std::process::exit(self.exit_code())
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(text) | Self::Usage(text) => f.write_str(text),
            Self::Value {
                key,
                source,
                value,
                allowed,
            } => {
                write!(
                    f,
                    "--{key}: `{value}` from {source} is not allowed; it takes {allowed}"
                )
            }
            Self::Name {
                key,
                source,
                value,
                problem,
            } => {
                write!(
                    f,
                    "--{key}: `{value}` from {source} cannot be resolved: {problem}"
                )
            }
            Self::PingTooLate {
                ping_interval: (ping, by),
                pong_wait: (wait, from),
            } => write!(
                f,
                "--ping-interval: `{ping}` from {by} is not allowed; it must be shorter than \
                 --pong-wait, which is `{wait}` from {from}"
            ),
            Self::UnknownKey {
                key,
                source,
                nearest,
            } => {
                write!(f, "`{key}` from {source} is not a setting")?;
                match (nearest, source) {
                    (Some(nearest), Source::Flag(_)) => {
                        write!(f, "; the nearest is `--{}`", nearest.replace('_', "-"))
                    }
                    (Some(nearest), _) => write!(f, "; the nearest is `{nearest}`"),
                    (None, _) => f.write_str("; --help lists them"),
                }
            }
            Self::Problem {
                key,
                source,
                problem,
            } => write!(f, "`{key}` from {source} {problem}"),
            Self::Channels { error, source } => write!(f, "{error} (from {source})"),
            Self::Several(errors) => {
                for (n, error) in errors.iter().enumerate() {
                    let before = if n == 0 { "" } else { "\nerror: " };
                    write!(f, "{before}{error}")?;
                }
                Ok(())
            }
            Self::File {
                path,
                source,
                problem,
            } => {
                write!(f, "the file {} (from {source}): {problem}", path.display())
            }
            Self::System { what, problem } => write!(f, "{what}: {problem}"),
        }
    }
}

impl core::error::Error for SettingsError {}
