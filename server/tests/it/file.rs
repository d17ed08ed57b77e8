//! File of settings: keys, types, the sources of its name, errors.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use stentor_server::{Settings, SettingsError};

/// Parses a file that is named by a flag.
fn parse(text: &str) -> Result<Settings, SettingsError> {
    Settings::parse(
        ["stentor", "--config", "stentor.toml"],
        |_| None,
        |path| {
            assert_eq!(path, Path::new("stentor.toml"));
            Ok(text.into())
        },
    )
}

fn ok(text: &str) -> Settings {
    parse(text).expect("valid settings")
}

fn told(text: &str) -> String {
    let error = parse(text).expect_err("invalid settings");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn a_key_is_a_path() {
    for text in [
        "[http]\nmax_head = \"1KiB\"",
        "http.max_head = 1024",
        "http = { max_head = 1024 }",
    ] {
        assert_eq!(ok(text).config.max_head(), 1_024, "{text}");
    }
    assert_eq!(ok("server.listen = \"[::]:0\"").listen.len(), 1);
    let twice = told("[http]\nmax_head = 1024\nmax_head = 1024");
    assert!(twice.contains("duplicate key"), "{twice}");
}

#[test]
fn a_file_may_be_json() {
    let parse = |text: &str| {
        let args = ["stentor", "--config", "stentor.json"];
        Settings::parse(args, |_| None, |_| Ok(text.into()))
    };
    let text = r#"{
        "server": {"listen": ["127.0.0.1:1", 8082], "seed": 18446744073709551615},
        "websocket": {"pong_wait": "2m", "subprotocols": "chat"},
        "queue": {"bytes": "64KiB"},
        "rooms": {"exclude_sender": true}
    }"#;
    let settings = parse(text).expect("valid settings");
    assert_eq!(settings.listen.len(), 2);
    assert_eq!(settings.config.seed(), u64::MAX);
    assert_eq!(settings.config.pong_wait().as_secs(), 120);
    assert_eq!(settings.config.subprotocols(), ["chat"]);
    assert_eq!(settings.config.queue_bytes(), 64 << 10);
    assert!(settings.exclude_sender);
    for (text, problem) in [
        ("{", "EOF while parsing"),
        ("[]", "invalid type"),
        (r#"{"queue": 1}"#, "`queue` from the file stentor.json"),
        (r#"{"queue": {"bytes": 1.5}}"#, "`1.5`"),
    ] {
        let error = parse(text).expect_err("invalid").to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn an_error_about_a_type_names_the_right_one() {
    let cases = [
        ("tasks.workers = \"8\"", "`\"8\"`", "an integer: 1 to 1024"),
        ("tasks.workers = 1.5", "`1.5`", "an integer: 1 to 1024"),
        ("websocket.pong_wait = 60", "`60`", "a string: 10ms to 24h"),
        (
            "queue.bytes = true",
            "`true`",
            "an integer or a string: 128 to 1GiB",
        ),
        (
            "rooms.exclude_sender = \"true\"",
            "`\"true\"`",
            "a boolean: true or false",
        ),
        (
            "server.listen = [true]",
            "`[true]`",
            "a string, an integer or an array of these: an address or a name with a port",
        ),
        (
            "server.listen = []",
            "`[]`",
            "an address or a name with a port",
        ),
        (
            "server.listen = 65536",
            "`65536`",
            "an address or a name with a port",
        ),
        (
            "server.listen = [-1]",
            "`-1`",
            "an address or a name with a port",
        ),
        (
            "admin.listen = true",
            "`true`",
            "a string or an integer: an address or a name with a port",
        ),
        (
            "client.allowed_hosts = [1]",
            "`[1]`",
            "a string or an array of strings: host, host:port",
        ),
        (
            "server.handler = [\"rooms\"]",
            "`[\"rooms\"]`",
            "a string: gateway, rooms, echo",
        ),
    ];
    for (file, value, allowed) in cases {
        let text = told(file);
        assert!(
            text.contains(value) && text.contains(allowed) && text.contains("stentor.toml"),
            "{text}"
        );
    }
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest_one() {
    for (key, nearest) in [
        ("queue.byte", "the nearest is `queue.bytes`"),
        ("queue_bytes", "the nearest is `queue.bytes`"),
        ("listen", "the nearest is `server.listen`"),
        (
            "websocket.ping-interval",
            "the nearest is `websocket.ping_interval`",
        ),
        ("Server.listen", "the nearest is `server.listen`"),
        ("xyzzy", "--help lists them"),
    ] {
        let text = told(&format!("{key} = 1"));
        let begin = format!("`{key}` from the file stentor.toml is not a setting; ");
        // If the section does not exist, only the section is named.
        let section = key.split('.').next().unwrap_or(key);
        let of_section = format!("`{section}` from the file stentor.toml is not a setting");
        assert!(
            text == begin.clone() + nearest || text.starts_with(&of_section),
            "{text}"
        );
    }
}

#[test]
fn all_errors_are_reported_together() {
    let env = |name: &str| (name == "STENTOR_TASKS_WORKERS").then(|| OsString::from("none"));
    let file = "[queue]\nbytes = true\nmesages = 1\n[tasks]\nqueue = 0\n";
    let args = [
        "stentor",
        "--config=stentor.toml",
        "--seeed=1",
        "--log",
        "loud",
        "--lissten",
        "8080",
        "--websocket.max-message=0",
    ];
    let error = Settings::parse(args, env, |_| Ok(file.into())).expect_err("invalid");
    let text = error.to_string();
    for part in [
        "`--seeed` from the flag --seeed is not a setting; the nearest is `--server.seed`",
        "`--lissten` from the flag --lissten is not a setting; the nearest is `--server.listen`",
        "--queue.bytes: `true` from the file stentor.toml",
        "`queue.mesages` from the file stentor.toml is not a setting",
        "--tasks.queue: `0` from the file stentor.toml",
        "--tasks.workers: `none` from the environment variable STENTOR_TASKS_WORKERS",
        "--log: `loud` from the flag --log",
        "--max-message: `0` from the flag --max-message",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    assert_eq!(text.lines().count(), 8, "{text}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn an_error_about_the_file_names_the_source_of_its_name() {
    let env = |name: &str| (name == "STENTOR_CONFIG").then(|| OsString::from("stentor.toml"));
    let read = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let error = Settings::parse(["stentor"], env, read).expect_err("no file");
    let text = error.to_string();
    assert!(
        text.starts_with("the file stentor.toml (from the environment variable STENTOR_CONFIG): "),
        "{text}"
    );
    let text = told("tasks.workers = = 1");
    assert!(
        text.starts_with(
            "the file stentor.toml (from the flag --config): TOML parse error at line 1"
        ),
        "{text}"
    );
}

#[test]
fn the_file_can_be_named_by_the_environment_and_a_flag_names_another() {
    let read = |path: &Path| {
        Ok(format!(
            "tasks.workers = {}",
            if path == Path::new("a") { 1 } else { 2 }
        ))
    };
    let env = |name: &str| (name == "STENTOR_CONFIG").then(|| OsString::from("a"));
    let workers = |args: &[&str]| {
        Settings::parse(args, env, read)
            .expect("valid settings")
            .options
            .workers
    };
    assert_eq!(workers(&["stentor"]), 1);
    assert_eq!(workers(&["stentor", "--config", "b"]), 2);
}
