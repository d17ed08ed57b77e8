//! Commands of a program that call a running server: `pub`, `presence` and `history` over its API, `sub`
//! as a client. They need no settings.

mod api;
mod subscriber;
mod url;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read as _, Write};

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use self::url::ServerUrl;

const PUB: &str = "pub";
const SUB: &str = "sub";
const PRESENCE: &str = "presence";
const HISTORY: &str = "history";

/// The reason why a command has failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The command line is wrong, or asks for help.
    Usage(clap::Error),
    /// The call has failed, for this reason.
    Failed(String),
}

impl CallError {
    fn new(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }

    /// Returns the exit code of the process: 0 for a page, 2 for a wrong command line, 1 for else.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) => error.exit_code() as u8,
            Self::Failed(_) => 1,
        }
    }

    /// Prints the error, or the page. Ignores a closed output.
    pub(crate) fn print(&self) {
        let _ = match self {
            Self::Usage(error) => error.print(),
            Self::Failed(reason) => writeln!(io::stderr(), "error: {reason}"),
        };
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl core::error::Error for CallError {}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs the command that is the first argument after the name of the program, and writes what it prints
/// to `out`. Returns `None` if it is no command that calls a server.
pub(crate) fn run_call(args: &[OsString], out: &mut impl Write) -> Option<Result<(), CallError>> {
    let first = args.get(1)?.to_str()?;
    let is_call = [PUB, SUB, PRESENCE, HISTORY].contains(&first);
    is_call.then(|| {
        let matches = commands().try_get_matches_from(args);
        let matches = matches.map_err(CallError::Usage)?;
        let (name, matches) = matches.subcommand().expect("clap requires one");
        match name {
            SUB => subscribe(matches, out),
            _ => call(name, matches, out),
        }
    })
}

/// Returns the command line.
fn commands() -> Command {
    let channel = || {
        Arg::new("channel")
            .value_name("CHANNEL")
            .required(true)
            .help("The channel")
    };
    let data = Arg::new("data")
        .value_name("JSON")
        .required(true)
        .help("The payload; - reads it from standard input");
    let publish = with_server(Command::new(PUB))
        .about("Publishes to a channel, and prints its position")
        .arg(channel())
        .arg(data)
        .arg(switch("text", "The payload is a text and not JSON"))
        .arg(option("tag", "NAME=TEXT", "A tag").action(ArgAction::Append))
        .arg(switch("skip-history", "The channel does not keep it"))
        .arg(option(
            "exclude",
            "CLIENT",
            "The id of a client that does not get it",
        ))
        .arg(number(
            "priority",
            "0..255",
            "Its priority, the smaller the more urgent",
        ))
        .arg(number(
            "ttl",
            "SECONDS",
            "For how many seconds it is worth sending",
        ))
        .arg(option(
            "message-key",
            "TEXT",
            "It replaces one with the same key that waits",
        ))
        .arg(switch(
            "delivery",
            "Prints what happened at the queues of the subscribers",
        ));
    let presence = with_server(Command::new(PRESENCE))
        .about("Prints who is subscribed to a channel")
        .arg(channel())
        .arg(switch("stats", "Only how many are"));
    let history = with_server(Command::new(HISTORY))
        .about("Prints what was published to a channel")
        .arg(channel())
        .arg(
            number(
                "limit",
                "NUMBER",
                "The most publications; -1 = all [default: 10]",
            )
            .allow_hyphen_values(true),
        )
        .arg(switch("reverse", "The newest first"))
        .arg(number(
            "since-offset",
            "OFFSET",
            "Begins behind this offset",
        ))
        .arg(option("since-epoch", "EPOCH", "The epoch of that offset"));
    let subscriber = Command::new(SUB)
        .about("Prints what is published to channels, a line for each, until the server closes")
        .arg(url())
        .arg(channel().num_args(1..).help("Channels"))
        .arg(option(
            "token",
            "TOKEN",
            "A connection token [env: STENTOR_TOKEN]",
        ))
        .arg(option(
            "sub-token",
            "TOKEN",
            "A subscription token, for one channel",
        ));
    Command::new("stentor")
        .subcommand_required(true)
        .subcommands([publish, presence, history, subscriber])
}

fn with_server(command: Command) -> Command {
    let help = "The key of the API [env: STENTOR_HTTP_API_KEY]";
    command.arg(url()).arg(option("key", "KEY", help))
}

fn url() -> Arg {
    let help = "The server [env: STENTOR_URL] [default: http://localhost:8080]";
    option("url", "URL", help)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn number(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    option(name, value, help).value_parser(|text: &str| {
        let number: Result<serde_json::Number, _> = serde_json::from_str(text);
        number.map_err(|_| "it is not a number")
    })
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}

fn text<'m>(matches: &'m ArgMatches, name: &str) -> Option<&'m str> {
    matches.get_one::<String>(name).map(String::as_str)
}

/// Returns a text of the command line or, without one, of the environment.
fn text_or_variable(matches: &ArgMatches, name: &str, variable: &str) -> String {
    let given = text(matches, name).map(Into::into);
    let given = given.or_else(|| std::env::var(variable).ok());
    given.unwrap_or_default()
}

fn server(matches: &ArgMatches) -> Result<ServerUrl, CallError> {
    match &*text_or_variable(matches, "url", "STENTOR_URL") {
        "" => ServerUrl::parse("http://localhost:8080"),
        url => ServerUrl::parse(url),
    }
}

/// Calls a method of the API, and prints its result.
fn call(name: &str, matches: &ArgMatches, out: &mut impl Write) -> Result<(), CallError> {
    let key = text_or_variable(matches, "key", "STENTOR_HTTP_API_KEY");
    let (method, params) = match name {
        PUB => ("publish", publication(matches)?),
        PRESENCE if matches.get_flag("stats") => ("presence_stats", text_of(of_channel(matches))),
        PRESENCE => ("presence", text_of(of_channel(matches))),
        _ => ("history", text_of(page(matches))),
    };
    let result = api::call(&server(matches)?, &key, method, &params)?;
    writeln!(out, "{result}")?;
    Ok(())
}

fn of_channel(matches: &ArgMatches) -> Map<String, Value> {
    let channel = text(matches, "channel").unwrap_or_default();
    Map::from_iter([("channel".into(), channel.into())])
}

fn text_of(params: Map<String, Value>) -> String {
    Value::Object(params).to_string()
}

/// Returns the parameters of a publication, whose payload is passed on as it is.
fn publication(matches: &ArgMatches) -> Result<String, CallError> {
    let mut data = text(matches, "data").unwrap_or_default().to_owned();
    if data == "-" {
        data.clear();
        io::stdin().read_to_string(&mut data)?;
    }
    let data = match matches.get_flag("text") {
        true => Value::String(data).to_string(),
        false => {
            let parsed: Result<&RawValue, _> = serde_json::from_str(&data);
            let parsed = parsed
                .map_err(|error| CallError::new(format!("the payload is no JSON: {error}")))?;
            parsed.get().to_owned()
        }
    };
    let mut params = of_channel(matches);
    let tags = matches.get_many::<String>("tag").unwrap_or_default();
    let mut pairs = Map::new();
    for tag in tags {
        let (name, value) = tag
            .split_once('=')
            .ok_or_else(|| CallError::new(format!("--tag: `{tag}` has no =")))?;
        pairs.insert(name.into(), value.into());
    }
    if !pairs.is_empty() {
        params.insert("tags".into(), pairs.into());
    }
    for (flag, field) in [("skip-history", "skip_history"), ("delivery", "delivery")] {
        if matches.get_flag(flag) {
            params.insert(field.into(), true.into());
        }
    }
    for (flag, field) in [("exclude", "exclude"), ("message-key", "key")] {
        if let Some(text) = text(matches, flag) {
            params.insert(field.into(), text.into());
        }
    }
    add_numbers(&mut params, matches, &["priority", "ttl"]);
    let rest = text_of(params);
    Ok(format!("{{\"data\":{data},{}", &rest[1..]))
}

fn page(matches: &ArgMatches) -> Map<String, Value> {
    let mut params = of_channel(matches);
    params.insert("limit".into(), 10.into());
    add_numbers(&mut params, matches, &["limit"]);
    if matches.get_flag("reverse") {
        params.insert("reverse".into(), true.into());
    }
    if let Some(offset) = matches.get_one::<serde_json::Number>("since-offset") {
        let epoch = text(matches, "since-epoch").unwrap_or_default();
        params.insert("since".into(), json!({ "offset": offset, "epoch": epoch }));
    }
    params
}

fn add_numbers(params: &mut Map<String, Value>, matches: &ArgMatches, names: &[&str]) {
    for &name in names {
        if let Some(number) = matches.get_one::<serde_json::Number>(name) {
            params.insert(name.into(), Value::Number(number.clone()));
        }
    }
}

/// Prints what is published to channels.
fn subscribe(matches: &ArgMatches, out: &mut impl Write) -> Result<(), CallError> {
    let channels: Vec<&str> = matches
        .get_many::<String>("channel")
        .unwrap_or_default()
        .map(String::as_str)
        .collect();
    let token = text_or_variable(matches, "token", "STENTOR_TOKEN");
    let tokens = subscriber::Tokens {
        connection: &token,
        subscription: text(matches, "sub-token").unwrap_or_default(),
    };
    subscriber::run(&server(matches)?, &channels, tokens, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(line: &str) -> Result<Value, CallError> {
        let matches = commands().try_get_matches_from(line.split(' '));
        let matches = matches.map_err(CallError::Usage)?;
        let (name, matches) = matches.subcommand().expect("a command");
        Ok(match name {
            PUB => serde_json::from_str(&publication(matches)?).expect("JSON"),
            HISTORY => page(matches).into(),
            _ => of_channel(matches).into(),
        })
    }

    #[test]
    fn the_command_line_says_what_is_asked_for() {
        commands().debug_assert();
        for (line, expected) in [
            (
                r#"stentor pub a {"x":1}"#,
                json!({ "channel": "a", "data": { "x": 1 } }),
            ),
            (
                "stentor pub a x --text --tag=k=v=w --tag=b= --skip-history --delivery",
                json!({
                    "channel": "a", "data": "x", "tags": { "k": "v=w", "b": "" },
                    "skip_history": true, "delivery": true,
                }),
            ),
            (
                "stentor pub a 1 --priority 3 --ttl=0.5 --message-key=k --exclude 17",
                json!({
                    "channel": "a", "data": 1, "priority": 3, "ttl": 0.5, "key": "k",
                    "exclude": "17",
                }),
            ),
            ("stentor history a", json!({ "channel": "a", "limit": 10 })),
            (
                "stentor history a --limit -1 --reverse --since-offset 7 --since-epoch e",
                json!({
                    "channel": "a", "limit": -1, "reverse": true,
                    "since": { "offset": 7, "epoch": "e" },
                }),
            ),
            ("stentor presence a", json!({ "channel": "a" })),
        ] {
            assert_eq!(params(line).expect(line), expected, "{line}");
        }
        for line in [
            "stentor pub a",
            "stentor pub a {",
            "stentor pub a 1 --ttl=x",
            "stentor pub a 1 --tag=x",
            "stentor history",
        ] {
            assert!(params(line).is_err(), "{line}");
        }
    }

    #[test]
    fn other_commands_are_not_calls() {
        for line in [
            "stentor",
            "stentor token",
            "stentor --help",
            "stentor config",
        ] {
            let args: Vec<OsString> = line.split(' ').map(Into::into).collect();
            assert!(run_call(&args, &mut Vec::new()).is_none(), "{line}");
        }
        let args: Vec<OsString> = ["stentor", "pub", "--help"].map(Into::into).into();
        let page = run_call(&args, &mut Vec::new()).expect("a command");
        assert_eq!(page.expect_err("a page").exit_code(), 0);
    }
}
