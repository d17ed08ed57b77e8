//! Owns the command line as `clap` sees it, and with it the pages of `--help` and `--version`.
//! Every value stays text here; it is read where those of the environment and the file are.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};
use stentor_core::Unit;

use super::error::SettingsError;
use super::flag::{FLAGS, Flag, FlagKind};

/// Reads the command line; the first of `args` is the name of the program.
pub(super) fn matches(args: impl Iterator<Item = OsString>) -> Result<ArgMatches, SettingsError> {
    let mut args = args.peekable();
    let name = args.peek().map_or_else(
        || "stentor".into(),
        |first| first.to_string_lossy().into_owned(),
    );
    command(name).try_get_matches_from(args).map_err(|error| {
        let text = error.render().to_string();
        if error.use_stderr() {
            SettingsError::Usage(text)
        } else {
            SettingsError::Page(text)
        }
    })
}

pub(super) const CONFIG: &str = "config";

fn command(name: String) -> Command {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .help("TOML file of settings; its keys are the names of these flags");
    Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("A WebSocket messaging server")
        .after_help(AFTER)
        .arg(config)
        .args(FLAGS.iter().map(arg))
}

fn arg(flag: &'static Flag) -> Arg {
    let arg = Arg::new(flag.name)
        .long(flag.name)
        .help_heading(flag.group)
        .value_name(value_name(flag))
        .allow_negative_numbers(true) // so that the answer to -1 is the range
        .help(format!("{}\n[{}]", flag.about, facts(flag)));
    match flag.takes {
        FlagKind::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ if flag.is_list() => arg.action(ArgAction::Append),
        _ => arg,
    }
}

fn value_name(flag: &Flag) -> String {
    let name = match (flag.takes, flag.bounds().map(|bounds| bounds.unit)) {
        (_, Some(Unit::Bytes)) => "SIZE",
        (_, Some(Unit::Milliseconds)) => "TIME",
        (FlagKind::Address | FlagKind::Addresses, _) => "ADDR",
        (FlagKind::Origins, _) => "ORIGIN",
        (FlagKind::Hosts, _) => "HOST",
        (FlagKind::Subprotocols, _) => "NAME",
        (FlagKind::Switch, _) => "BOOL",
        (FlagKind::Choice(..), _) if flag.name == "log" => "LEVEL",
        (FlagKind::Choice(words, _), _) => return words.join("|"),
        _ => "N",
    };
    name.into()
}

/// Range and default, as they stand in brackets behind the text.
fn facts(flag: &Flag) -> String {
    if let Some(bounds) = flag.bounds() {
        let range = match flag.name {
            "max-connections" => "1 to the hard limit of open files less a reserve".into(),
            _ => format!("{} to {}", bounds.show(bounds.min), bounds.show(bounds.max)),
        };
        let default = match (flag.name, bounds.default) {
            (_, Some(default)) => bounds.show(default),
            ("shards", _) => "the cores available".into(),
            ("max-connections", _) => "all of that".into(),
            _ => "from the system's random numbers".into(),
        };
        return format!("{range}; default: {default}");
    }
    match flag.takes {
        FlagKind::Choice(words, default) => format!("{}; default: {default}", words.join(", ")),
        FlagKind::Switch => "true, false; default: false".into(),
        FlagKind::Address => "host:port, or a port; default: none".into(),
        FlagKind::Addresses => "host:port, or a port; default: localhost:8080".into(),
        FlagKind::Hosts => "host, host:port, *.host, or * for any; default: none, or any while not listening on loopback only".into(),
        FlagKind::Subprotocols => "a token; default: none".into(),
        _ => "scheme://host[:port], null, or * for any; default: none, or any loopback origin while listening on loopback only"
            .into(),
    }
}

const AFTER: &str = "\
SIZE is in bytes (65536), in powers of 1024 (64KiB, 4MiB, 1GiB) or of 1000 (64k, 4M, 1G).
TIME is in whole milliseconds and has a unit: 250ms, 10s, 5m, 1h, 1h30m.

Each flag is also an environment variable and a key of the file: --queue-bytes is
STENTOR_QUEUE_BYTES and queue-bytes (or queue_bytes), --config is STENTOR_CONFIG. A flag goes
before the environment, that before the file. Lists (--listen, --allow-origin, --allow-host,
and --subprotocol) stand in the environment with commas, in the file as arrays. An empty variable counts as none.

SIGTERM, SIGINT or SIGHUP ends the server in order: see --drain. A second one ends it at once.";
