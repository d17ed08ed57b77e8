//! Command line as `clap` parses it, the pages of `--help` and `--version`, and the reference.
//!
//! Values remain text; they are parsed where those of the environment and the file are.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use stentor_core::config::Unit;

use super::declaration::FlagKind;
use super::error::{SettingsError, Source};
use super::flag::{FLAGS, Flag};

/// Parses the command line, whose first argument is the name of the program. Also returns an error for
/// each unknown argument.
///
/// # Errors
/// Returns a page to print, or an error if the command line cannot be parsed.
pub(super) fn matches(
    args: impl Iterator<Item = OsString>,
    command: fn(String) -> Command,
) -> Result<(ArgMatches, Vec<SettingsError>), SettingsError> {
    let mut args: Vec<OsString> = args.collect();
    let name = args.first().map_or_else(
        || "stentor".into(),
        |first| first.to_string_lossy().into_owned(),
    );
    let mut unknown = Vec::new();
    loop {
        let error = match command(name.clone()).try_get_matches_from(&args) {
            Ok(matches) => return Ok((matches, unknown)),
            Err(error) => error,
        };
        // clap stops at the first unknown argument. Without it, the next one is found.
        let Some(key) = unknown_argument(&error).filter(|key| remove(&mut args, key)) else {
            let text = error.render().to_string();
            return Err(if error.use_stderr() {
                SettingsError::Usage(text)
            } else {
                SettingsError::Page(text)
            });
        };
        let source = Source::Flag(key.clone());
        unknown.push(SettingsError::unknown_key(key, source));
    }
}

/// Returns the argument that an error is about, if it is one that clap does not know.
fn unknown_argument(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(key)) if error.kind() == ErrorKind::UnknownArgument => {
            Some(key.clone())
        }
        _ => None,
    }
}

/// Removes an unknown argument with its value. Returns whether it was there.
fn remove(args: &mut Vec<OsString>, key: &str) -> bool {
    let with_value = format!("{key}=");
    let place = args.iter().skip(1).position(|arg| {
        let arg = arg.to_string_lossy();
        arg == key || arg.starts_with(&with_value)
    });
    let Some(place) = place.map(|place| place + 1) else {
        return false;
    };
    let removed = args.remove(place);
    let takes_next = removed == key
        && key.starts_with("--")
        && args
            .get(place)
            .is_some_and(|next| !next.to_string_lossy().starts_with('-'));
    if takes_next {
        args.remove(place);
    }
    true
}

pub(super) const CONFIG: &str = "config";

/// Returns the command line of a server.
pub(super) fn command(name: String) -> Command {
    Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("A WebSocket messaging server")
        .after_help(AFTER)
        .args(args())
}

/// Returns the flags of all settings, and that of the file.
pub(super) fn args() -> impl Iterator<Item = Arg> {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .help("File of settings, TOML or JSON (*.json)");
    core::iter::once(config).chain(FLAGS.iter().map(arg))
}

fn arg(flag: &'static Flag) -> Arg {
    let (range, default) = (flag.range(), flag.default());
    let arg = Arg::new(flag.key)
        .long(flag.long())
        .help_heading(flag.section)
        .value_name(value_name(flag))
        .allow_negative_numbers(true) // so that the answer to -1 is the range
        .help(format!("{}\n[{range}; default: {default}]", flag.about));
    let arg = match flag.short {
        Some(short) => arg.visible_alias(short),
        None => arg,
    };
    match flag.kind {
        FlagKind::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ if flag.is_list() => arg.action(ArgAction::Append),
        _ => arg,
    }
}

fn value_name(flag: &Flag) -> String {
    let name = match (flag.kind, flag.bounds().map(|bounds| bounds.unit)) {
        (_, Some(Unit::Bytes)) => "SIZE",
        (_, Some(Unit::Milliseconds)) => "TIME",
        (FlagKind::Address | FlagKind::Addresses, _) => "ADDR",
        (FlagKind::Origins, _) => "ORIGIN",
        (FlagKind::Hosts, _) => "HOST",
        (FlagKind::Subprotocols, _) => "NAME",
        (FlagKind::Paths, _) => "FILE",
        (FlagKind::Proxies, _) => "NETWORK",
        (FlagKind::Switch, _) => "BOOL",
        (FlagKind::Choice(..), _) if flag.key == "log.level" => "LEVEL",
        (FlagKind::Choice(words, _) | FlagKind::Words(words), _) => {
            let words: Vec<_> = words
                .iter()
                .copied()
                .filter(|word| !word.is_empty())
                .collect();
            return words.join("|");
        }
        (FlagKind::Text(_) | FlagKind::Secret, _) => "TEXT",
        (FlagKind::PublicKey, _) => "PEM",
        (FlagKind::File, _) => "FILE",
        (FlagKind::Tables, _) => "JSON",
        _ => "N",
    };
    name.into()
}

impl Flag {
    /// Returns the range for the help and the reference.
    pub(super) fn range(&self) -> String {
        if let Some(range) = self.range {
            return range.into();
        }
        match (self.kind, self.bounds()) {
            (FlagKind::Choice(words, _) | FlagKind::Words(words), _) => words.join(", "),
            (FlagKind::Text(_) | FlagKind::Secret, _) => "a text".into(),
            (FlagKind::PublicKey, _) => "PEM".into(),
            (FlagKind::File, _) => "a file".into(),
            (FlagKind::Paths, _) => "files".into(),
            (_, Some(bounds)) => {
                format!("{} to {}", bounds.show(bounds.min), bounds.show(bounds.max))
            }
            _ => "true, false".into(),
        }
    }

    /// Returns the default for the help and the reference.
    pub(super) fn default(&self) -> String {
        if let Some(default) = self.default {
            return default.into();
        }
        match (self.kind, self.bounds()) {
            (FlagKind::Choice(_, default) | FlagKind::Text(default), _) if !default.is_empty() => {
                default.into()
            }
            (FlagKind::Switch, _) => "false".into(),
            (_, Some(bounds)) => bounds.default.map_or_else(String::new, |n| bounds.show(n)),
            _ => "none".into(),
        }
    }
}

/// Returns the reference of all settings in Markdown: a table for each section.
pub(super) fn reference() -> String {
    let mut page = String::new();
    let mut section = "";
    for flag in &*FLAGS {
        if flag.section != section {
            section = flag.section;
            page += &format!(
                "\n## {section}\n\n| setting | default | range | meaning |\n|---|---|---|---|\n"
            );
        }
        let short = flag
            .short
            .map_or_else(String::new, |short| format!(", `--{short}`"));
        let (range, default) = (flag.range(), flag.default());
        page += &format!(
            "| `{}`{short} | {default} | {range} | {} |\n",
            flag.key,
            flag.about.replace('|', "\\|").replace('<', "\\<")
        );
    }
    page
}

const AFTER: &str = "\
SIZE is in bytes (65536), in powers of 1024 (64KiB, 4MiB, 1GiB) or of 1000 (64k, 4M, 1G).
TIME is in whole milliseconds and has a unit: 250ms, 10s, 5m, 1h, 1h30m.

Commands: `config check` prints the errors of the settings, `config show` the settings, `config
defaults` all defaults, `config import FILE` the settings that correspond to a configuration of
Centrifugo, `token --user USER` a token for a client. Of a running server: `pub` publishes, `sub`
prints what is published, `presence` and `history` print what their names say. Each has a --help.

Each setting is a flag, an environment variable and a path in the file: --queue.bytes is
STENTOR_QUEUE_BYTES and bytes in [queue]; --config is STENTOR_CONFIG. Flags override the
environment, which overrides the file. Repeatable settings are separated by commas in the
environment and arrays in the file. An empty variable is ignored.

SIGTERM or SIGINT shuts the server down in order, see --shutdown-timeout. A second one ends it
immediately. SIGHUP has it read its settings and certificates again.";
