//! Commands of a server program: `token` and `config`.

use std::ffi::OsString;
use std::path::Path;

use stentor_gateway::token::{ConnectionClaims, HmacKey, Subscriber, TokenError, Verifier};
use stentor_server::{SettingsError, run_command};

const NOW: u64 = 1_600_000_000;

const FILE: &str = r#"
    [client.token]
    hmac_secret_key = "key-of-connections"
    audience = "chat"
    [client.subscription_token]
    enabled = true
    hmac_secret_key_file = "subscriptions.key"
    [[channel.namespaces]]
    name = "prices"
    conflate = "tag:share"
    history_size = 5
    history_ttl = "1h"
"#;

fn run(args: &[&str], file: &str) -> Option<Result<String, SettingsError>> {
    run_with(args, file, |line| panic!("{line}"))
}

fn run_with(
    args: &[&str],
    file: &str,
    warn: impl FnMut(&str),
) -> Option<Result<String, SettingsError>> {
    let args: Vec<OsString> = ["stentor"].iter().chain(args).map(OsString::from).collect();
    let read = |path: &Path| {
        let is_key = path == Path::new("subscriptions.key");
        Ok(if is_key {
            "key-of-subscriptions\n"
        } else {
            file
        }
        .into())
    };
    run_command(&args, |_| None, read, NOW, warn)
}

fn ok(args: &[&str], file: &str) -> String {
    run(args, file).expect("a command").expect("no error")
}

fn error_text(args: &[&str], file: &str) -> String {
    let error = run(args, file).expect("a command").expect_err("an error");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn verifier(secret: &str) -> Verifier {
    Verifier::new(HmacKey::new(secret.as_bytes()).expect("a secret"))
}

fn token(args: &[&str]) -> String {
    let args = [&["token", "--config=f"], args].concat();
    let line = ok(&args, FILE);
    line.strip_suffix('\n').expect("a line").into()
}

fn claims<'b>(token: &str, buffer: &'b mut Vec<u8>) -> ConnectionClaims<'b> {
    let verifier = verifier("key-of-connections").audience("chat");
    verifier
        .verify_connection(token, NOW, buffer)
        .expect("valid")
}

#[test]
fn a_server_is_no_command() {
    assert!(run(&[], "").is_none());
    assert!(run(&["--config", "config"], "").is_none());
    assert!(run(&["tokens"], "").is_none());
}

#[test]
fn a_connection_token_is_valid_for_a_time() {
    let mut buffer = Vec::new();
    let made = token(&["--user", "42", "--info", "{\"name\":\"Ada\"}"]);
    let read = claims(&made, &mut buffer);
    assert_eq!(
        (&*read.user, &*read.info),
        ("42", &b"{\"name\":\"Ada\"}"[..])
    );
    assert_eq!(
        (read.issued_at, read.expires_at),
        (Some(NOW), Some(NOW + 3_600))
    );
    for (ttl, expires_at) in [
        ("90s", Some(NOW + 90)),
        ("1h30m", Some(NOW + 5_400)),
        ("1ms", Some(NOW + 1)),
        ("0s", None),
    ] {
        let made = token(&["--user=42", "--ttl", ttl]);
        assert_eq!(claims(&made, &mut buffer).expires_at, expires_at, "{ttl}");
    }
    assert_eq!(claims(&token(&["--user="]), &mut buffer).user, "");
    for (algorithm, header) in [
        ("HS256", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"),
        ("HS384", "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9"),
        ("HS512", "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9"),
    ] {
        let made = token(&["--user=42", "--algorithm", algorithm]);
        assert_eq!(made.split('.').next(), Some(header));
        claims(&made, &mut buffer);
    }
}

#[test]
fn a_subscription_token_is_signed_with_the_key_of_its_section() {
    let made = token(&["--user=42", "--channel=news"]);
    let subscriber = Subscriber {
        channel: "news",
        user: "42",
        client: "",
    };
    let mut buffer = Vec::new();
    let verified =
        verifier("key-of-subscriptions").verify_subscription(&made, NOW, subscriber, &mut buffer);
    assert_eq!(verified.expect("valid").expires_at, Some(NOW + 3_600));
    let mut other = Vec::new();
    let verified =
        verifier("key-of-connections").verify_subscription(&made, NOW, subscriber, &mut other);
    assert_eq!(verified.err(), Some(TokenError::InvalidSignature));
    let one_key = FILE.replace("enabled = true", "enabled = false");
    let made = ok(
        &["token", "--config=f", "--user=42", "--channel=news"],
        &one_key,
    );
    let verified = verifier("key-of-connections").verify_subscription(
        made.trim_end(),
        NOW,
        subscriber,
        &mut other,
    );
    assert!(verified.is_ok());
}

#[test]
fn a_token_that_cannot_be_made_is_an_error() {
    for (args, file, problem) in [
        (
            &["--user=1"][..],
            "",
            "there is no key to sign a token with: set `client.token.hmac_secret_key`",
        ),
        (
            &["--user=1", "--ttl=5"],
            FILE,
            "--ttl: `5` is not allowed; it takes 0s to ",
        ),
        (
            &["--user=1", "--info={"],
            FILE,
            "--info: `{` is not allowed; it takes JSON",
        ),
        (
            &["--user=1", "--algorithm=none"],
            FILE,
            "--algorithm: `none` is not allowed; it takes HS256, HS384 or HS512",
        ),
        (
            &["--user=1", "--audience=news"],
            FILE,
            "the server would refuse this token: ",
        ),
        (&[], FILE, "--user <USER>"),
        (
            &["--user=1", "--usr=2"],
            FILE,
            "`--usr` from the flag --usr is not a setting",
        ),
        (
            &["--user=1"],
            "client.max_errors = true",
            "--client.max-errors: `true`",
        ),
    ] {
        let args = [&["token", "--config=f"], args].concat();
        let text = error_text(&args, file);
        assert!(text.contains(problem), "{args:?}: {text}");
        assert!(!text.contains("key-of"), "{text}");
    }
    let file = FILE.to_owned() + "\n[client]\n";
    let strict = "--client.token.disallow-anonymous-connection-tokens";
    let text = error_text(&["token", "--config=f", "--user=", strict], &file);
    assert!(
        text.contains("the server would refuse this token"),
        "{text}"
    );
}

#[test]
fn a_user_may_be_in_another_claim() {
    let made = token(&["--user=42", "--client.token.user-id-claim=uid"]);
    let verifier = verifier("key-of-connections").user_claim("uid");
    let mut buffer = Vec::new();
    let claims = verifier
        .verify_connection(&made, NOW, &mut buffer)
        .expect("valid");
    assert_eq!(claims.user, "42");
}

#[test]
fn a_check_prints_ok_or_all_errors() {
    assert_eq!(ok(&["config", "check"], ""), "ok\n");
    assert_eq!(ok(&["config", "check", "--config", "f"], FILE), "ok\n");
    let file = "client.max_errors = -1\nclient.insecure = 1";
    let text = error_text(&["config", "check", "--config", "f", "--seeed=1"], file);
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn what_is_shown_is_what_was_set_without_secrets() {
    let args = [
        "config",
        "show",
        "--config=f",
        "--queue.bytes=64KiB",
        "--listen=127.0.0.1:1",
    ];
    let shown = ok(&args, FILE);
    assert!(!shown.contains("key-of"), "{shown}");
    let table: toml::Table = shown.parse().expect("TOML");
    let value = |path: &str| {
        let mut keys = path.split('.');
        let first = table.get(keys.next().expect("a key")).expect(path);
        keys.fold(first, |value, key| value.get(key).expect(path))
    };
    let token = value("client.token");
    assert_eq!(token["hmac_secret_key"].as_str(), Some("***"));
    assert!(token.get("hmac_previous_secret_key").is_none());
    let subscription = value("client.subscription_token");
    assert!(subscription.get("hmac_secret_key").is_none());
    let file = &subscription["hmac_secret_key_file"];
    assert_eq!(file.as_str(), Some("subscriptions.key"));
    assert_eq!(value("queue.bytes").as_str(), Some("64KiB"));
    assert_eq!(value("server.listen")[0].as_str(), Some("127.0.0.1:1"));
    assert_eq!(value("seed_protocol.enabled").as_bool(), Some(false));
    let namespace = &value("channel.namespaces")[0];
    assert_eq!(namespace["name"].as_str(), Some("prices"));
    assert_eq!(namespace["history_size"].as_integer(), Some(5));
    assert_eq!(namespace["conflate"].as_str(), Some("tag:share"));

    // The same settings again, once the secret is there.
    let again = ok(
        &["config", "show", "--config=f"],
        &shown.replace("***", "key"),
    );
    assert_eq!(again, shown);
}

#[test]
fn the_defaults_are_settings_that_change_nothing() {
    let defaults = ok(&["config", "defaults"], "");
    assert_eq!(ok(&["config", "check", "--config=f"], &defaults), "ok\n");
    let with = ok(&["config", "show", "--config=f"], &defaults);
    assert_eq!(with, ok(&["config", "show"], ""));
    assert!(defaults.contains("\n# Maximum number of messages queued per connection"));
}

#[test]
fn the_commands_have_help() {
    for (args, part) in [
        (&["token", "--help"][..], "--user <USER>"),
        (&["config", "--help"], "defaults"),
        (&["config", "check", "--help"], "Prints all errors"),
    ] {
        let Some(Err(error @ SettingsError::Page(_))) = run(args, "") else {
            panic!("no page")
        };
        assert_eq!(error.exit_code(), 0);
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// Returns the settings that a configuration becomes, and the warnings.
fn import(name: &str, text: &str) -> (String, Vec<String>) {
    let mut warnings = Vec::new();
    let printed = run_with(&["config", "import", name], text, |line| {
        warnings.push(line.into());
    });
    (printed.expect("a command").expect("no error"), warnings)
}

#[test]
fn a_configuration_of_centrifugo_becomes_ours() {
    let (settings, warnings) = import("c.json", include_str!("centrifugo.json"));
    assert_eq!(settings, include_str!("imported.toml"));
    let comments = settings
        .lines()
        .filter_map(|line| line.strip_prefix("# - "));
    assert!(comments.eq(warnings.iter()), "{warnings:?}");
    // With the files of its certificate, it would start. They are not there.
    let without = settings.replace("[tls]\ncert", "[tls]\n# cert");
    let without = without.replace("\nkey = [\"/", "\n# key = [\"/");
    let without = without.replace("\nclient_ca", "\n# client_ca");
    assert_eq!(ok(&["config", "check", "--config=f"], &without), "ok\n");
    let shown = ok(&["config", "show", "--config=f"], &without);
    for line in [
        "max_connections = 1000",
        "history_size = 10",
        "ping_interval = \"20s\"",
    ] {
        assert!(shown.contains(line), "{line}");
    }
}

#[test]
fn the_format_of_a_configuration_makes_no_difference() {
    let json = r#"{
        "client": {"ping_interval": "1m0.5s", "allowed_origins": ["https://a.example"]},
        "channel": {"namespaces": [{"name": "chat", "presence": true, "history_size": "5",
            "history_ttl": "1.5h", "subscribe_proxy_enabled": true}]},
        "log": {"level": "none"}
    }"#;
    let yaml = "
client:
  ping_interval: 1m0.5s
  allowed_origins: [https://a.example]
channel:
  namespaces:
    - name: chat
      presence: true
      history_size: '5'
      history_ttl: 1.5h
      subscribe_proxy_enabled: true
log: {level: none}
";
    let toml = r#"
        client = {ping_interval = "1m0.5s", allowed_origins = "https://a.example"}
        log.level = "none"
        [[channel.namespaces]]
        name = "chat"
        presence = true
        history_size = "5"
        history_ttl = "1.5h"
        subscribe_proxy_enabled = true
    "#;
    let expected = r#"# The settings of c.
# What is left to do:
# - channel.namespaces.chat.subscribe_proxy_enabled: no backend is called; use tokens and the permissions of `channel.namespaces`

[server]
listen = [":8000"]

[client]
allowed_origins = ["https://a.example"]
ping_interval = "1m0.5s"

[http_stream]
enabled = false

[sse]
enabled = false

[log]
level = "off"

[[channel.namespaces]]
name = "chat"
history_size = 5
history_ttl = "1.5h"
presence = true
"#;
    for (name, text) in [
        ("c.json", json),
        ("c.yaml", yaml),
        ("c.yml", yaml),
        ("c.toml", toml),
        ("c", toml),
    ] {
        let (settings, warnings) = import(name, text);
        let settings = settings.replace(&format!("settings of {name}."), "settings of c.");
        assert_eq!(settings, expected, "{name}");
        assert_eq!(warnings.len(), 1);
        assert_eq!(ok(&["config", "check", "--config=f"], &settings), "ok\n");
    }
}

#[test]
fn what_cannot_be_imported_is_said() {
    for (name, text, part) in [
        ("c.json", "[1]", "c.json"),
        ("c.toml", "a = ", "line 1"),
        ("c.yaml", "a: [", "YAML parse error at line"),
    ] {
        let error = error_text(&["config", "import", name], text);
        assert!(error.contains(part), "{error}");
    }
    let error = error_text(&["config", "import"], "");
    assert!(error.contains("FILE"), "{error}");
}

#[test]
fn values_that_are_refused_are_not_imported() {
    let (settings, warnings) = import(
        "c.toml",
        r#"
        "x\r\u001b[1m" = 1
        [client]
        channel_limit = -1
        connection_limit = -1
        ping_interval = "9s"
        pong_timeout = "9s"
        stale_close_delay = 5
        [client.token]
        hmac_secret_key = 5
        audience_regex = "("
        [client.subscription_token]
        hmac_secret_key = "k"
        "#,
    );
    assert_eq!(
        warnings,
        [
            "client.stale_close_delay: cannot be `5`; it takes a string: 10ms to 24h, with ms, s, m or h, \
             in whole milliseconds; it was left out",
            "client.token.hmac_secret_key: cannot be `***`; it takes a string: a text; it was left out",
            "x  [1m: is not known; it was left out",
            "client.channel_limit: cannot be `-1`; it takes 1 to 1024; it was left out",
            "client.pong_timeout: must be shorter than `client.ping_interval`; it was left out",
            "client.token.audience_regex: is not a regular expression; it was left out; without it more \
             is allowed",
            "client.connection_limit: cannot be `-1`; it takes 1 to 4294967295; it was left out",
        ]
    );
    assert_eq!(ok(&["config", "check", "--config=f"], &settings), "ok\n");
    assert!(settings.contains("enabled = false\nhmac_secret_key = \"k\"\n"));
}

#[test]
fn a_plan_says_what_a_load_needs() {
    let plan = ok(
        &[
            "plan",
            "--connections=50000",
            "--rate=10",
            "--members=50000",
        ],
        "",
    );
    for line in [
        "open files (ulimit -n)             53333",
        "For 500000 deliveries a second.",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let plan = ok(
        &["plan", "--connections=1000", "--tls", "--format=json"],
        "",
    );
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(
        plan["memory"]["process"],
        (8 << 20) + 1_000 * (560 + 365 + 3_700)
    );
    assert_eq!(
        (&plan["shards"]["alone"], &plan["files"]),
        (&1.into(), &1_066.into())
    );
    let total = plan["memory"]["total"].as_u64();
    assert!(total > plan["memory"]["process"].as_u64());
    let error = error_text(&["plan", "--connections=0", "--rate=x", "--format=xml"], "");
    for line in ["--connections: `0`", "--rate: `x`", "--format: `xml`"] {
        assert!(error.contains(line), "{line}: {error}");
    }
}
