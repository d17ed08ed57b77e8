//! Owns the edges of every flag: the smallest and the largest value are taken by flag, environment
//! and file alike, and one past each is refused with the range.

use std::ffi::OsString;

use stentor_cli::{Settings, SettingsError};
use stentor_core::{Config, Unit};

/// A flag, what is allowed at its edges, and what is not beyond them.
struct Edges {
    name: &'static str,
    inside: Vec<String>,
    outside: Vec<String>,
}

fn number(name: &'static str, unit: Unit, min: u64, max: u64) -> Edges {
    let text = |n: u64| match unit {
        Unit::Milliseconds => format!("{n}ms"),
        _ => n.to_string(),
    };
    let mut outside = vec![
        "".into(),
        "x".into(),
        "-1".into(),
        "1.5x".into(),
        "99999999999999999999999".into(),
    ];
    outside.extend(min.checked_sub(1).map(text));
    outside.extend(max.checked_add(1).map(text));
    Edges {
        name,
        inside: vec![text(min), text(max)],
        outside,
    }
}

fn words(name: &'static str, inside: &[&str], outside: &[&str]) -> Edges {
    let own = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Edges {
        name,
        inside: own(inside),
        outside: own(outside),
    }
}

const SWITCHES: [&str; 4] = [
    "public-metrics",
    "exclude-sender",
    "compression",
    "compression-own-broadcasts",
];

fn all() -> Vec<Edges> {
    let mut all: Vec<_> = Config::RANGES
        .iter()
        .map(|range| {
            let name: &'static str = range.key.replace('_', "-").leak();
            number(name, range.unit, range.min, range.max)
        })
        .collect();
    all.extend([
        number("shards", Unit::Count, 1, 1_024),
        number("workers", Unit::Count, 1, 1_024),
        number("worker-queue", Unit::Count, 1, 1 << 20),
        number("work-time", Unit::Milliseconds, 0, 3_600_000),
        number("drain", Unit::Milliseconds, 0, 3_600_000),
        number("seed", Unit::Count, 0, u64::MAX),
        number("max-connections", Unit::Count, 1, u32::MAX.into()),
        words("handler", &["rooms", "echo"], &["", "Rooms", "chat"]),
        words("task-order", &["connection", "none"], &["", "any"]),
        words("outside-room", &["nothing", "everyone"], &["", "all"]),
        number("message-ttl", Unit::Milliseconds, 0, 3_600_000),
        words(
            "room-overflow",
            &["make-room", "refuse", "evict-oldest", "conflate", "close"],
            &["", "drop", "make_room"],
        ),
        words(
            "log",
            &["off", "error", "warn", "info", "debug", "trace"],
            &["", "fatal", "1", "INFO"],
        ),
        words("log-format", &["text", "json"], &["", "xml"]),
        number("log-queue-lines", Unit::Count, 1, 1 << 20),
        number("log-queue-bytes", Unit::Bytes, 4 << 10, 1 << 30),
        words(
            "listen",
            &["127.0.0.1:0", "[::]:65535", "localhost:0", ":65535", "0"],
            &["", "127.0.0.1:65536", "127.0.0.1:-1", "::1:x", "65536", ":"],
        ),
        words(
            "admin-listen",
            &["127.0.0.1:0", "[::]:65535", "localhost:9090", "9090"],
            &[
                "",
                "127.0.0.1:65536",
                "localhost",
                "127.0.0.1:8080",
                "0.0.0.0:8080",
                "localhost:8080",
                "8080",
            ],
        ),
        words(
            "allow-origin",
            &["*", "https://a.example", "null", "file://"],
            &["", "a.example", "https://a.example/", "https://"],
        ),
        words(
            "allow-host",
            &["*", "a.example", "a.example:8080", "*.example"],
            &["", "https://a.example", "a.*", "*."],
        ),
        words(
            "subprotocol",
            &["chat", "v1.a+b"],
            &["", "a b", "a/b", "\u{e9}"],
        ),
    ]);
    all.extend(SWITCHES.map(|name| words(name, &["true", "false"], &["1", "TRUE"])));
    all
}

fn parse(
    args: &[String],
    env: Option<(&str, &str)>,
    file: &str,
) -> Result<Settings, SettingsError> {
    let args = ["stentor".into(), "--config=f".into()]
        .into_iter()
        .chain(args.iter().cloned());
    let find = |name: &str| {
        env.filter(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    };
    Settings::parse(args, find, |_| Ok(file.into()))
}

fn by_flag(name: &str, value: &str) -> Result<Settings, SettingsError> {
    parse(&rest(name, &format!("--{name}={value}")), None, "")
}

fn by_environment(name: &str, value: &str) -> Result<Settings, SettingsError> {
    let variable = format!("STENTOR_{}", name.replace('-', "_").to_uppercase());
    parse(&rest(name, ""), Some((&variable, value)), "")
}

fn by_file(name: &str, value: &str) -> Result<Settings, SettingsError> {
    let bare =
        value.parse::<i64>().is_ok() || SWITCHES.contains(&name) && value.parse::<bool>().is_ok();
    let value = if bare {
        value.into()
    } else {
        format!("{value:?}")
    };
    parse(&rest(name, ""), None, &format!("{name} = {value}"))
}

/// The flag, and room for a ping interval of any length.
fn rest(name: &str, flag: &str) -> Vec<String> {
    let room = if name == "ping-interval" {
        "--pong-wait=24h"
    } else {
        ""
    };
    [flag, room]
        .into_iter()
        .filter(|arg| !arg.is_empty())
        .map(Into::into)
        .collect()
}

#[test]
fn each_edge_is_in_and_one_past_it_is_out() {
    for Edges {
        name,
        inside,
        outside,
    } in all()
    {
        for value in inside {
            // The two intervals of the keepalive bound each other.
            let value = match (name, value.as_str()) {
                ("ping-interval", "86400000ms") => "86399999ms".into(),
                ("pong-wait", "10ms") => "11ms".into(),
                _ => value,
            };
            for parse in [by_flag, by_environment, by_file] {
                let parsed = parse(name, &value);
                assert!(
                    parsed.is_ok(),
                    "{name} = {value}: {}",
                    parsed.err().map_or(String::new(), |e| e.to_string())
                );
            }
        }
        for value in outside {
            for (at, parse) in [by_flag, by_environment, by_file].into_iter().enumerate() {
                // An empty variable counts as none; a digit in the file is an integer.
                if at == 1 && value.is_empty() {
                    continue;
                }
                let error =
                    parse(name, &value).expect_err(&format!("{name} = {value:?} is out of range"));
                let text = error.to_string();
                assert_eq!(error.exit_code(), 2);
                assert!(text.contains(name), "{text}");
                if value.len() < 20 {
                    assert!(
                        text.contains(&value) && text.contains("it takes "),
                        "{text}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_flag_of_the_help_has_its_edges_tested() {
    let Err(SettingsError::Page(help)) = parse(&["--help".into()], None, "") else {
        panic!("no help")
    };
    let listed = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("-"));
    let listed = listed.filter_map(|line| {
        line.split_once("--")
            .map_or(line.strip_prefix('-'), |(_, long)| Some(long))
    });
    let names: Vec<_> = listed
        .filter_map(|line| line.split([' ', '[', '=']).next())
        .collect();
    let tested = all();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        let known = ["config", "help", "version"].contains(&name)
            || tested.iter().any(|edges| edges.name == name);
        assert!(known, "--{name}");
    }
}
