//! Commands of a server program: `token`, `config` and `plan`. They print something and serve nothing.

mod import;
mod plan;
mod show;
mod token;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::{ArgMatches, Command};

use super::error::SettingsError;
use super::raw::RawSettings;
use super::{Settings, help};

/// Runs the command that is the first argument after the name of the program. Returns what it prints,
/// or `None` if there is no command. `env` and `read_file` are those of [`Settings::parse`]; `now` is
/// the time in seconds of Unix time; `warn` gets lines for standard error.
///
/// # Errors
/// Returns what is wrong with the command or the settings.
pub fn run_command<E, F>(
    args: &[OsString],
    env: E,
    read_file: F,
    now: u64,
    warn: impl FnMut(&str),
) -> Option<Result<String, SettingsError>>
where
    E: Fn(&str) -> Option<OsString>,
    F: Fn(&Path) -> io::Result<String>,
{
    let first = args.get(1)?.to_str()?;
    let is_command = [CONFIG, PLAN, TOKEN].contains(&first);
    is_command.then(|| {
        let (matches, errors) = help::matches(args.iter().cloned(), commands)?;
        run(&matches, errors, env, read_file, now, warn)
    })
}

const CONFIG: &str = "config";
const DEFAULTS: &str = "defaults";
const IMPORT: &str = "import";
const PLAN: &str = "plan";
const TOKEN: &str = "token";

fn run<E, F>(
    matches: &ArgMatches,
    errors: Vec<SettingsError>,
    env: E,
    read_file: F,
    now: u64,
    warn: impl FnMut(&str),
) -> Result<String, SettingsError>
where
    E: Fn(&str) -> Option<OsString>,
    F: Fn(&Path) -> io::Result<String>,
{
    let (mut name, mut matches) = matches.subcommand().expect("clap requires one");
    if let Some(below) = matches.subcommand() {
        (name, matches) = below;
    }
    if [DEFAULTS, IMPORT, PLAN].contains(&name) {
        let nothing = RawSettings::default();
        nothing.report_all(errors);
        return nothing.finish(match name {
            IMPORT => import::import(matches, read_file, warn)?,
            PLAN => plan::print(matches)?,
            _ => show::defaults(),
        });
    }
    let raw = RawSettings::from_matches(matches, errors, env, read_file);
    let settings = Settings::from_raw(&raw)?;
    match name {
        TOKEN => token::create(matches, &settings.signing, now),
        "show" => Ok(show::effective(&raw, &settings)),
        _ => Ok("ok\n".into()),
    }
}

/// Returns the command line of the commands.
fn commands(name: String) -> Command {
    let with_settings = |command: Command| {
        command
            .args(help::args().map(|arg| arg.hide(true)))
            .after_help(AFTER)
    };
    let check = Command::new("check").about("Prints all errors of the settings, or ok");
    let show = Command::new("show")
        .about("Prints the settings that a server would have, as TOML; secrets are hidden");
    let defaults = Command::new(DEFAULTS).about("Prints all settings with their defaults, as TOML");
    let config = Command::new(CONFIG)
        .about("Checks, prints or translates the settings")
        .subcommand_required(true)
        .subcommand(with_settings(check))
        .subcommand(with_settings(show))
        .subcommand(defaults)
        .subcommand(import::command(IMPORT));
    Command::new(name)
        .subcommand_required(true)
        .subcommand(config)
        .subcommand(plan::command(PLAN))
        .subcommand(with_settings(token::command(TOKEN)))
}

const AFTER: &str = "The flags, variables and file of the server are read too; without a command, --help lists them.";

fn usage(problem: &str) -> SettingsError {
    SettingsError::Usage(format!("error: {problem}\n"))
}
