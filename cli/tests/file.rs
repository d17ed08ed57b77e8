//! Owns the tests of the file of settings: its keys and types, who names it, and how what is wrong
//! with it is told.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use stentor_cli::{Settings, SettingsError};

/// The settings of a file named by a flag.
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
fn keys_of_the_file_have_either_dash() {
    assert_eq!(ok("max-head = \"1KiB\"").config.max_head(), 1_024);
    assert_eq!(ok("max_head = \"1KiB\"").config.max_head(), 1_024);
    assert_eq!(ok("listen = \"[::]:0\"").listen.len(), 1);
    let twice = told("max_head = 1024\nmax-head = 1024");
    assert_eq!(
        twice,
        "`max-head` stands twice in the file stentor.toml, with `-` and with `_`"
    );
}

#[test]
fn a_wrong_type_in_the_file_is_told_with_the_right_one() {
    let cases = [
        ("workers = \"8\"", "`\"8\"`", "an integer: 1 to 1024"),
        ("workers = 1.5", "`1.5`", "an integer: 1 to 1024"),
        ("pong-wait = 60", "`60`", "a string: 10ms to 24h"),
        (
            "queue-bytes = true",
            "`true`",
            "an integer or a string: 128 to 1GiB",
        ),
        (
            "exclude-sender = \"true\"",
            "`\"true\"`",
            "a boolean: true or false",
        ),
        (
            "listen = [true]",
            "`[true]`",
            "a string, an integer or an array of these: an address or a name with a port",
        ),
        ("listen = []", "`[]`", "an address or a name with a port"),
        (
            "listen = 65536",
            "`65536`",
            "an address or a name with a port",
        ),
        ("listen = [-1]", "`-1`", "an address or a name with a port"),
        (
            "admin-listen = true",
            "`true`",
            "a string or an integer: an address or a name with a port",
        ),
        (
            "allow-host = [1]",
            "`[1]`",
            "a string or an array of strings: host, host:port",
        ),
        (
            "handler = [\"rooms\"]",
            "`[\"rooms\"]`",
            "a string: rooms, echo",
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
fn what_the_file_has_no_key_for_is_told() {
    for key in ["queue-byte", "config", "Listen", "help"] {
        let text = told(&format!("{key} = 1"));
        assert_eq!(
            text,
            format!(
                "`{key}` in the file stentor.toml is not a key; the keys are the names of the flags"
            )
        );
    }
    let table = told("[limits]\nqueue-bytes = 1");
    assert!(table.starts_with("`limits` in the file"), "{table}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_who_named_it() {
    let env = |name: &str| (name == "STENTOR_CONFIG").then(|| OsString::from("stentor.toml"));
    let read = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let error = Settings::parse(["stentor"], env, read).expect_err("no file");
    let text = error.to_string();
    assert!(
        text.starts_with("the file stentor.toml (from the environment variable STENTOR_CONFIG): "),
        "{text}"
    );
    let text = told("workers = = 1");
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
            "workers = {}",
            if path == Path::new("a") { 1 } else { 2 }
        ))
    };
    let env = |name: &str| (name == "STENTOR_CONFIG").then(|| OsString::from("a"));
    let workers = |args: &[&str]| {
        Settings::parse(args, env, read)
            .expect("valid settings")
            .workers
    };
    assert_eq!(workers(&["stentor"]), 1);
    assert_eq!(workers(&["stentor", "--config", "b"]), 2);
}
