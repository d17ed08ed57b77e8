//! Precedence of the sources, lists, switches, errors. See also `file` and `edges`.

mod channel_protocol;
mod commands;
mod listening;
mod namespaces;
mod secrets;

use core::time::Duration;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use stentor_core::OverflowPolicy;
use stentor_core::tasks::TaskOrder;
use stentor_server::{HandlerKind, LevelFilter, LogFormat, Settings, SettingsError, Source};

fn parse(
    args: &[&str],
    env: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Settings, SettingsError> {
    let config = file.map(|_| ["--config", "stentor.toml"]);
    let args = ["stentor"]
        .iter()
        .chain(config.iter().flatten())
        .chain(args);
    let find = |name: &str| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    };
    let read = |path: &Path| {
        assert_eq!(path, Path::new("stentor.toml"));
        file.map(String::from)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    Settings::parse(args, find, read)
}

fn ok(args: &[&str], env: &[(&str, &str)], file: Option<&str>) -> Settings {
    parse(args, env, file).expect("valid settings")
}

fn error_text(args: &[&str], env: &[(&str, &str)], file: Option<&str>) -> String {
    let error = parse(args, env, file).expect_err("invalid settings");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn addresses(settings: &Settings) -> Vec<String> {
    let all = settings.listen.iter().flat_map(|it| it.addresses());
    all.map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_those_of_the_core_and_the_help() {
    let settings = ok(&[], &[], None);
    let core = stentor_core::Config::default();
    assert_eq!(settings.config.queue_bytes(), core.queue_bytes());
    assert_eq!(settings.config.ping_interval(), core.ping_interval());
    assert!(settings.config.shards() >= 1);
    assert_eq!(addresses(&settings), ["127.0.0.1:8080", "[::1]:8080"]);
    assert!(
        settings.config.origins().loopback
            && !settings.config.origins().any
            && !settings.config.hosts().any
            && settings.config.pages().at("/metrics").is_some()
    );
    assert_eq!(
        (
            settings.options.workers,
            settings.options.task_queue,
            settings.options.max_connections
        ),
        (8, 1_024, None)
    );
    assert_eq!(
        (settings.work_time, settings.options.shutdown_timeout),
        (Duration::ZERO, Duration::from_secs(10))
    );
    assert_eq!(
        (settings.handler, settings.no_room_policy),
        (HandlerKind::Gateway, stentor_gateway::NoRoomPolicy::Nothing)
    );
    assert_eq!(
        (settings.log_level, settings.log_format),
        (LevelFilter::INFO, LogFormat::Text)
    );
    assert!(!settings.exclude_sender);
    assert_eq!(settings.rooms().task_order, TaskOrder::Connection);
    let any = ok(&["--tasks.order", "none"], &[], None).rooms();
    assert_eq!(any.task_order, TaskOrder::Any);
    assert_eq!(
        (settings.overflow_policy, settings.message_ttl),
        (OverflowPolicy::EvictLower, None)
    );
}

#[test]
fn the_default_is_what_no_arguments_give() {
    let text = |settings: &Settings| {
        let seed = format!("seed: {}", settings.config.seed());
        format!("{settings:?}").replace(&seed, "seed: _")
    };
    let parsed = ok(&[], &[], None);
    assert_eq!(text(&Settings::default()), text(&parsed));
}

#[test]
fn two_runs_have_two_seeds_unless_one_is_given() {
    assert_ne!(
        ok(&[], &[], None).config.seed(),
        ok(&[], &[], None).config.seed()
    );
    assert_eq!(ok(&["--seed", "7"], &[], None).config.seed(), 7);
    assert_eq!(
        ok(&[], &[], Some("server.seed = \"18446744073709551615\""))
            .config
            .seed(),
        u64::MAX
    );
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let env = [
        ("STENTOR_QUEUE_BYTES", "2KiB"),
        ("STENTOR_ROOMS_EXCLUDE_SENDER", "true"),
        ("STENTOR_SERVER_LISTEN", "127.0.0.1:2,[::1]:2"),
    ];
    let file =
        Some("queue.bytes = 1024\nrooms.exclude_sender = false\nserver.listen = [\"127.0.0.1:1\"]");
    let flags = [
        "--queue.bytes",
        "3KiB",
        "--rooms.exclude-sender=false",
        "--listen",
        "127.0.0.1:3",
        "--listen",
        "127.0.0.1:4",
    ];

    let seen = |settings: Settings| {
        let addresses = settings.listen.iter().flat_map(|it| it.addresses());
        let listen: Vec<u16> = addresses.map(|address| address.port()).collect();
        (
            settings.config.queue_bytes(),
            settings.exclude_sender,
            listen,
        )
    };
    assert_eq!(seen(ok(&[], &[], None)), (4 << 20, false, vec![8080, 8080]));
    assert_eq!(seen(ok(&[], &[], file)), (1 << 10, false, vec![1]));
    assert_eq!(seen(ok(&[], &env, file)), (2 << 10, true, vec![2, 2]));
    assert_eq!(seen(ok(&flags, &env, file)), (3 << 10, false, vec![3, 4]));
}

#[test]
fn a_switch_is_on_without_a_value() {
    let exclude =
        |args: &[&str]| ok(args, &[("STENTOR_ROOMS_EXCLUDE_SENDER", "false")], None).exclude_sender;
    assert!(!exclude(&[]));
    assert!(exclude(&["--rooms.exclude-sender"]));
    assert!(exclude(&["--rooms.exclude-sender=true"]));
    let text = error_text(&[], &[("STENTOR_ROOMS_EXCLUDE_SENDER", "yes")], None);
    assert!(
        text.contains("`yes`")
            && text.contains("STENTOR_ROOMS_EXCLUDE_SENDER")
            && text.contains("true or false")
    );
}

#[test]
fn an_empty_variable_is_ignored() {
    let env = [
        ("STENTOR_TASKS_WORKERS", ""),
        ("STENTOR_SERVER_LISTEN", ""),
        ("STENTOR_CONFIG", ""),
    ];
    let settings = ok(&[], &env, None);
    assert_eq!(settings.options.workers, 8);
    assert_eq!(addresses(&settings), ["127.0.0.1:8080", "[::1]:8080"]);
}

#[test]
fn subprotocols_keep_their_order() {
    let by_flags = [
        "--websocket.subprotocols",
        "chat.v2",
        "--websocket.subprotocols",
        "chat",
    ];
    let by_variable = [("STENTOR_WEBSOCKET_SUBPROTOCOLS", "chat.v2, chat")];
    let by_file = "websocket.subprotocols = [\"chat.v2\", \"chat\"]";
    for settings in [
        ok(&by_flags, &[], None),
        ok(&[], &by_variable, None),
        ok(&[], &[], Some(by_file)),
    ] {
        assert_eq!(settings.config.subprotocols(), ["chat.v2", "chat"]);
    }
    assert!(ok(&[], &[], None).config.subprotocols().is_empty());
    assert_eq!(
        error_text(&["--websocket.subprotocols", "a,b"], &[], None),
        "--websocket.subprotocols: `a,b` from the flag --websocket.subprotocols is not allowed; \
         it takes a name without spaces and separators, like chat.v2"
    );
}

#[test]
fn an_error_names_key_source_value_and_range() {
    let rest = "is not allowed; it takes 128 to 1GiB, in bytes or with KiB, MiB, GiB, k, M";
    assert_eq!(
        error_text(&["--queue.bytes", "127"], &[], None),
        format!("--queue.bytes: `127` from the flag --queue.bytes {rest}")
    );
    assert_eq!(
        error_text(&[], &[("STENTOR_QUEUE_BYTES", "2GiB")], None),
        format!("--queue.bytes: `2GiB` from the environment variable STENTOR_QUEUE_BYTES {rest}")
    );
    assert_eq!(
        error_text(&[], &[], Some("queue.bytes = -1")),
        format!("--queue.bytes: `-1` from the file stentor.toml {rest}")
    );
    assert_eq!(
        error_text(&["--shutdown-timeout", "2h"], &[], None),
        "--shutdown-timeout: `2h` from the flag --shutdown-timeout is not allowed; it takes 0s to 1h, with ms, s, m or h, in whole milliseconds"
    );
    assert_eq!(
        error_text(&["--log", "loud"], &[], None),
        "--log: `loud` from the flag --log is not allowed; it takes off, error, warn, info, debug, trace"
    );
    for bad in ["localhost", "127.0.0.1", "127.1:80", "65536", ":", ""] {
        let text = error_text(&["--listen", bad], &[], None);
        assert!(
            text.contains(&format!("`{bad}`")) && text.contains("an address or a name with a port"),
            "{text}"
        );
    }
}

#[test]
fn a_ping_interval_is_shorter_than_the_pong_wait() {
    let ping = |args: &[&str]| ok(args, &[], None).config.ping_interval();
    assert_eq!(
        ping(&["--pong-wait", "2m"]),
        Duration::from_secs(54),
        "the default fits"
    );
    assert_eq!(
        ping(&["--pong-wait", "54s"]),
        Duration::from_millis(48_600),
        "nine tenths"
    );
    assert_eq!(
        ping(&["--pong-wait", "11ms"]),
        Duration::from_millis(10),
        "as far as the range goes"
    );
    assert_eq!(
        ping(&["--pong-wait", "2s", "--ping-interval", "1999ms"]),
        Duration::from_millis(1_999)
    );

    let text = error_text(
        &["--ping-interval", "2s"],
        &[("STENTOR_WEBSOCKET_PONG_WAIT", "2000ms")],
        None,
    );
    assert_eq!(
        text,
        "--ping-interval: `2s` from the flag --ping-interval is not allowed; it must be shorter than --pong-wait, \
         which is `2000ms` from the environment variable STENTOR_WEBSOCKET_PONG_WAIT"
    );
    let text = error_text(&[], &[], Some("websocket.ping_interval = \"1m\""));
    assert!(
        text.contains("`1m` from the file stentor.toml") && text.contains("`60s` from the default"),
        "{text}"
    );
    assert!(
        error_text(&["--pong-wait", "10ms"], &[], None)
            .contains("--ping-interval: `10ms` from the default")
    );
}

#[test]
fn pages_are_not_errors_and_unknown_flags_are() {
    let page = |flag| match parse(&[flag], &[], None) {
        Err(error @ SettingsError::Page(_)) => (error.exit_code(), error.to_string()),
        other => panic!("not a page: {other:?}"),
    };
    let (code, help) = page("--help");
    assert_eq!(code, 0);
    assert!(
        help.contains("--websocket.ping-interval <TIME>") && help.contains("--ping-interval]"),
        "{help}"
    );
    assert!(
        help.contains("[1 to 1GiB; default: 1MiB]") && help.contains("STENTOR_QUEUE_BYTES"),
        "{help}"
    );
    assert_eq!(
        page("--version"),
        (0, format!("stentor {}\n", env!("CARGO_PKG_VERSION")))
    );
    assert!(error_text(&["--queue-byte", "1"], &[], None).contains("`--queue.bytes`"));
    assert!(error_text(&["leftover"], &[], None).contains("leftover"));
    assert!(
        error_text(&["--tasks.workers", "1", "--tasks.workers", "2"], &[], None)
            .contains("--tasks.workers")
    );
}

#[cfg(unix)]
#[test]
fn text_that_is_not_utf8_is_an_error() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = || OsString::from_vec(vec![b'8', 0xff]);
    let env = |name: &str| (name == "STENTOR_TASKS_WORKERS").then(bytes);
    let error = Settings::parse(["stentor"], env, |_| Ok(String::new())).expect_err("not UTF-8");
    let from = Source::Environment("STENTOR_TASKS_WORKERS".into());
    assert!(
        matches!(&error, SettingsError::Value { source, .. } if *source == from),
        "{error}"
    );
    let args = ["stentor".into(), "--tasks.workers".into(), bytes()];
    let error = Settings::parse(args, |_| None, |_| Ok(String::new())).expect_err("not UTF-8");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn the_overflow_policy_reaches_the_application() {
    for (word, meant) in [
        ("evict-lower", OverflowPolicy::EvictLower),
        ("drop-new", OverflowPolicy::DropNew),
        ("drop-oldest", OverflowPolicy::DropOldest),
        ("conflate", OverflowPolicy::Conflate),
        ("disconnect", OverflowPolicy::Disconnect),
    ] {
        let args = ["--rooms.overflow-policy", word, "--rooms.message-ttl", "2s"];
        let rooms = ok(&args, &[], None).rooms();
        assert_eq!(rooms.overflow, meant);
        assert_eq!(rooms.ttl, Some(Duration::from_secs(2)));
    }
}
