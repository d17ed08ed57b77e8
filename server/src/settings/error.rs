//! Owns what can be wrong with settings, and how it is told. Every text names the key, where it
//! came from, the value and what is allowed.

use core::fmt;
use std::io::Write as _;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Source {
    /// A flag on the command line, by its name with the dashes.
    Flag(String),
    /// An environment variable, by its name.
    Environment(String),
    /// The file of settings.
    File(PathBuf),
    /// Nobody said anything.
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
    /// Not an error: the page that `--help` or `--version` asked for.
    Page(String),
    /// A command line that cannot be read, with the hint for it.
    Usage(String),
    /// A value that is not allowed.
    Value {
        /// The flag without its dashes, the short one if there is one.
        key: String,
        /// Where the value came from.
        source: Source,
        /// The value as it was written.
        value: String,
        /// What is allowed instead.
        allowed: String,
    },
    /// A name to listen on that cannot be resolved.
    Name {
        /// The flag without its dashes, the short one if there is one.
        key: String,
        /// Where the value came from.
        source: Source,
        /// The value as it was written.
        value: String,
        /// What the operating system says.
        problem: String,
    },
    /// A ping interval that leaves no time for the pong.
    PingTooLate {
        /// The ping interval, and where it came from.
        ping_interval: (String, Source),
        /// The pong wait, and where it came from.
        pong_wait: (String, Source),
    },
    /// A key that is not a setting.
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// Where it came from.
        source: Source,
        /// The key of the setting with the most similar name, if any is similar.
        nearest: Option<&'static str>,
    },
    /// More than one error, at least two.
    Several(Vec<Self>),
    /// A file that could not be read, or is neither TOML nor JSON.
    File {
        /// The file.
        path: PathBuf,
        /// Who named it.
        source: Source,
        /// What is wrong with it.
        problem: String,
    },
    /// The operating system refused something that settings need.
    System {
        /// What was asked for.
        what: &'static str,
        /// Its answer.
        problem: String,
    },
}

impl SettingsError {
    /// The exit code of a process that cannot go on: 0 for a page, 2 for everything else.
    pub fn exit_code(&self) -> i32 {
        if matches!(self, Self::Page(_)) { 0 } else { 2 }
    }

    /// Prints it where it belongs and ends the process. A closed output is no reason to panic.
    pub(super) fn exit(&self) -> ! {
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
