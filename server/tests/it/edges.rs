//! Ranges of the settings: the smallest and the largest value are accepted as flag, in the environment
//! and in the file, and values beyond are refused with the range.

mod channel_protocol;

use std::ffi::OsString;
use std::path::Path;

use stentor_core::Config;
use stentor_core::config::Unit;
use stentor_server::{Settings, SettingsError};

/// A setting, values at the ends of its range, and values beyond them.
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
    "limits.loopback",
    "metrics.public",
    "rooms.exclude_sender",
    "compression.enabled",
];

fn all() -> Vec<Edges> {
    let mut all: Vec<_> = Config::RANGES
        .iter()
        .map(|range| number(range.setting, range.unit, range.min, range.max))
        .collect();
    all.extend([
        number("server.shards", Unit::Count, 1, 1_024),
        number("tasks.workers", Unit::Count, 1, 1_024),
        number("tasks.queue", Unit::Count, 1, 1 << 20),
        number("rooms.work_time", Unit::Milliseconds, 0, 3_600_000),
        number("server.shutdown_timeout", Unit::Milliseconds, 0, 3_600_000),
        number("server.shutdown_delay", Unit::Milliseconds, 0, 3_600_000),
        number("server.seed", Unit::Count, 0, u64::MAX),
        number("server.max_connections", Unit::Count, 1, u32::MAX.into()),
        words(
            "server.handler",
            &["gateway", "rooms", "echo"],
            &["", "Rooms", "chat"],
        ),
        words("tasks.order", &["connection", "none"], &["", "any"]),
        words(
            "rooms.no_room_policy",
            &["nothing", "everyone"],
            &["", "all"],
        ),
        number("rooms.message_ttl", Unit::Milliseconds, 0, 3_600_000),
        words(
            "rooms.overflow_policy",
            &[
                "evict-lower",
                "drop-new",
                "drop-oldest",
                "conflate",
                "disconnect",
            ],
            &["", "drop", "evict_lower"],
        ),
        words(
            "log.level",
            &["off", "error", "warn", "info", "debug", "trace"],
            &["", "fatal", "1", "INFO"],
        ),
        words("log.format", &["text", "json"], &["", "xml"]),
        number("log.queue_lines", Unit::Count, 1, 1 << 20),
        number("log.queue_bytes", Unit::Bytes, 4 << 10, 1 << 30),
        words(
            "server.listen",
            &["127.0.0.1:0", "[::]:65535", "localhost:0", ":65535", "0"],
            &["", "127.0.0.1:65536", "127.0.0.1:-1", "::1:x", "65536", ":"],
        ),
        words(
            "admin.listen",
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
        // What is wrong with a pair of files is tested end to end.
        words("tls.cert", &[], &[]),
        words("tls.key", &[], &[]),
        words("tls.client_ca", &[], &[]),
        words("tls.ticket_secret", &[], &[]),
        words("tls.ticket_secret_file", &[], &[]),
        words("tls.client_auth", &["required", "optional"], &["", "no"]),
        words("tls.min_version", &["1.2", "1.3"], &["", "1.1"]),
        number("tls.reload_interval", Unit::Milliseconds, 100, 86_400_000),
        words("server.state_file", &["/var/lib/state", "s"], &[]),
        number("server.state_max_bytes", Unit::Bytes, 4 << 10, 1 << 40),
        number("server.state_max_age", Unit::Milliseconds, 0, 3_600_000),
        words("limits.excess", &["pause", "close"], &["", "drop"]),
        words(
            "proxy.listen",
            &["127.0.0.1:0", "localhost:0", "unix:/run/s", "systemd:web"],
            &["", "127.0.0.1", "unix:", "systemd:", "systemdx"],
        ),
        words(
            "proxy.trusted",
            &["10.0.0.0/8", "192.0.2.7", "::1", "2001:db8::/32", "unix"],
            &["", "10.0.0.1/8", "10.0.0.0/33", "localhost", "unix:/run/s"],
        ),
        words(
            "proxy.field",
            &["x-forwarded-for", "forwarded", "none"],
            &["", "X-Real-IP"],
        ),
        words(
            "server.socket_mode",
            &["600", "660", "777"],
            &["", "66", "0660", "800", "rw-"],
        ),
        words(
            "client.allowed_origins",
            &[
                "*",
                "https://a.example",
                "http://localhost:*",
                "null",
                "file://",
            ],
            &[
                "",
                "a.example",
                "https://a.example/",
                "https://",
                "http://*/",
            ],
        ),
        words(
            "client.allowed_hosts",
            &["*", "a.example", "a.example:8080", "*.example"],
            &["", "https://a.example", "a.*", "*."],
        ),
        words(
            "websocket.subprotocols",
            &["chat", "v1.a+b"],
            &["", "a b", "a/b", "\u{e9}"],
        ),
    ]);
    all.extend(SWITCHES.map(|name| words(name, &["true", "false"], &["1", "TRUE"])));
    all.extend(channel_protocol::all());
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
    let read = |path: &Path| {
        Ok(if path == Path::new("f") {
            file
        } else {
            channel_protocol::file(path.to_str().expect("UTF-8"))
        }
        .into())
    };
    Settings::parse(args, find, read)
}

fn by_flag(name: &str, value: &str) -> Result<Settings, SettingsError> {
    let flag = format!("--{}={value}", name.replace('_', "-"));
    parse(&rest(name, &flag), None, "")
}

fn by_environment(name: &str, value: &str) -> Result<Settings, SettingsError> {
    let variable = format!("STENTOR_{}", name.replace('.', "_").to_uppercase());
    parse(&rest(name, ""), Some((&variable, value)), "")
}

fn by_file(name: &str, value: &str) -> Result<Settings, SettingsError> {
    let is_switch = SWITCHES.contains(&name) || channel_protocol::is_switch(name);
    let bare = value.parse::<i64>().is_ok() && name != "server.socket_mode"
        || is_switch && value.parse::<bool>().is_ok()
        || name == "channel.namespaces";
    let value = if bare {
        value.into()
    } else {
        format!("{value:?}")
    };
    parse(&rest(name, ""), None, &format!("{name} = {value}"))
}

/// Returns the flag, with what else has to be set for it.
fn rest(name: &str, flag: &str) -> Vec<String> {
    let room = if name == "websocket.ping_interval" {
        "--pong-wait=24h"
    } else {
        ""
    };
    [flag, room]
        .into_iter()
        .filter(|arg| !arg.is_empty())
        .map(Into::into)
        .chain(channel_protocol::needed(name))
        .collect()
}

#[test]
fn both_ends_of_a_range_are_allowed_and_nothing_beyond() {
    for Edges {
        name,
        inside,
        outside,
    } in all()
    {
        for value in inside {
            // The ping interval must be shorter than the pong wait.
            let value = match (name, value.as_str()) {
                ("websocket.ping_interval", "86400000ms") => "86399999ms".into(),
                ("websocket.pong_wait", "10ms") => "11ms".into(),
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
                // An empty variable is ignored.
                if at == 1 && value.is_empty() {
                    continue;
                }
                let error =
                    parse(name, &value).expect_err(&format!("{name} = {value:?} is out of range"));
                let text = error.to_string();
                assert_eq!(error.exit_code(), 2);
                assert!(text.contains(&shown(name)), "{text}");
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
fn every_flag_of_the_help_is_tested_here() {
    let Err(SettingsError::Page(help)) = parse(&["--help".into()], None, "") else {
        panic!("no help")
    };
    let words = help.split(|c: char| c.is_whitespace() || "[],<=".contains(c));
    let listed: Vec<_> = help
        .lines()
        .filter_map(|line| line.strip_prefix("      --"))
        .filter_map(|line| line.split([' ', '[', '=']).next())
        .collect();
    let tested = all();
    assert!(listed.len() > 50, "{listed:?}");
    for flag in listed {
        let key = flag.replace('-', "_");
        let known = flag == "config" || tested.iter().any(|edges| edges.name == key);
        assert!(known, "--{flag}");
    }
    let shorts: Vec<_> = words.filter(|word| word.starts_with("--")).collect();
    for (key, short) in SHORT {
        assert!(shorts.contains(&&*format!("--{short}")), "{key}");
        assert!(tested.iter().any(|edges| edges.name == key), "{key}");
    }
}

#[test]
fn a_short_flag_is_the_same_setting() {
    for Edges { name, inside, .. } in all() {
        let Some((_, short)) = SHORT.iter().find(|(key, _)| *key == name) else {
            continue;
        };
        let value = match name {
            "websocket.ping_interval" => "1s",
            "websocket.pong_wait" => "2s",
            _ => &inside[0],
        };
        let parsed = parse(&[format!("--{short}={value}")], None, "");
        assert!(parsed.is_ok(), "--{short}: {:?}", parsed.err());
        let both = [
            format!("--{short}={value}"),
            format!("--{}={value}", name.replace('_', "-")),
        ];
        let is_list = ["server.listen", "client.allowed_origins"].contains(&name);
        assert_eq!(parse(&both, None, "").is_ok(), is_list, "--{short} twice");
    }
}

/// Returns the flag that errors name.
fn shown(key: &str) -> String {
    let short = SHORT.iter().find(|(long, _)| *long == key);
    short.map_or_else(|| key.replace('_', "-"), |(_, short)| (*short).into())
}

/// The settings that have a second, short flag.
const SHORT: [(&str, &str); 17] = [
    ("server.state_file", "state-file"),
    ("server.listen", "listen"),
    ("admin.listen", "admin-listen"),
    ("server.shards", "shards"),
    ("server.max_connections", "max-connections"),
    ("server.handler", "handler"),
    ("server.shutdown_timeout", "shutdown-timeout"),
    ("server.seed", "seed"),
    ("client.allowed_origins", "allow-origin"),
    ("websocket.max_message", "max-message"),
    ("compression.enabled", "compression"),
    ("compression.contexts", "compression-contexts"),
    ("websocket.pong_wait", "pong-wait"),
    ("websocket.ping_interval", "ping-interval"),
    ("websocket.close_timeout", "close-timeout"),
    ("log.level", "log"),
    ("log.format", "log-format"),
];
