//! Options of channels: without a namespace, and in namespaces.

use core::time::Duration;

use stentor_core::OverflowPolicy;
use stentor_gateway::namespaces::{
    ChannelOptions, Conflation, DeltaType, PublicationDataFormat, RecoveryMode,
};
use stentor_server::{Settings, SettingsError};

use super::{error_text, ok};

fn options(settings: &Settings, channel: &str) -> ChannelOptions {
    let resolved = settings.gateway.namespaces.resolve(channel);
    resolved.expect("a channel").options().clone()
}

fn by_json(text: &str) -> Result<Settings, SettingsError> {
    let args = ["stentor", "--config", "stentor.json"];
    Settings::parse(args, |_| None, |_| Ok(text.into()))
}

#[test]
fn options_are_those_of_the_file() {
    let file = r#"
        [channel.without_namespace]
        presence = true
        history_size = 10
        history_ttl = "5m"
        [[channel.namespaces]]
        name = "chat"
        join_leave = true
        history_size = 20
        history_ttl = "1h"
        history_meta_ttl = "48h"
        force_recovery = true
        force_recovery_mode = "cache"
        allowed_delta_types = ["fossil"]
        publication_data_format = "json"
        channel_regex = "^[a-z]+$"
        allow_publish_for_subscriber = true
        priority = 3
        ttl = "200ms"
        overflow = "conflate"
        conflate = "tag:share"
        exclude_publisher = true
        [[channel.namespaces]]
        name = "news"
    "#;
    let settings = ok(&[], &[], Some(file));
    let without = ChannelOptions {
        presence: true,
        history_size: 10,
        history_ttl: Duration::from_secs(300),
        ..ChannelOptions::default()
    };
    assert_eq!(options(&settings, "lobby"), without);
    let chat = ChannelOptions {
        join_leave: true,
        history_size: 20,
        history_ttl: Duration::from_secs(3_600),
        history_meta_ttl: Some(Duration::from_secs(172_800)),
        force_recovery: true,
        force_recovery_mode: RecoveryMode::Cache,
        allowed_delta_types: vec![DeltaType::Fossil],
        publication_data_format: PublicationDataFormat::Json,
        channel_regex: "^[a-z]+$".into(),
        allow_publish_for_subscriber: true,
        priority: 3,
        ttl: Some(Duration::from_millis(200)),
        overflow: Some(OverflowPolicy::Conflate),
        conflate: Conflation::Tag("share".into()),
        exclude_publisher: true,
        ..ChannelOptions::default()
    };
    assert_eq!(options(&settings, "chat:lobby"), chat);
    assert_eq!(options(&settings, "news:today"), ChannelOptions::default());
    assert!(settings.gateway.namespaces.resolve("other:a").is_err());
}

#[test]
fn namespaces_are_json_as_a_flag_and_in_the_environment() {
    let json = r#"[{"name": "chat", "presence": true}]"#;
    for settings in [
        ok(&["--channel.namespaces", json], &[], None),
        ok(&[], &[("STENTOR_CHANNEL_NAMESPACES", json)], None),
    ] {
        assert!(options(&settings, "chat:a").presence);
    }
    let flag = "--channel.without-namespace.presence";
    assert!(options(&ok(&[flag], &[], None), "a").presence);
    for (json, problem) in [
        ("[", "is not JSON: EOF while parsing"),
        ("{}", "has to be an array of tables"),
        (
            r#"[{"name": "ab", "name": "cd"}]"#,
            "`channel.namespaces[0].name` from the flag --channel.namespaces is there twice",
        ),
    ] {
        let text = error_text(&["--channel.namespaces", json], &[], None);
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn the_parts_of_names_can_be_others() {
    let file = r#"
        [channel]
        max_length = 12
        private_prefix = ""
        namespace_boundary = "/"
        user_boundary = "@"
        user_separator = ";"
        history_meta_ttl = "1h"
        namespaces = [{name = "chat"}]
    "#;
    let namespaces = &ok(&[], &[], Some(file)).gateway.namespaces;
    let channel = namespaces.resolve("chat/a@1;2").expect("a channel");
    assert_eq!(channel.namespace(), "chat");
    assert!(channel.lists_user("2"));
    assert_eq!(channel.history_meta_ttl(), Duration::from_secs(3_600));
    assert!(!namespaces.resolve("$a").expect("a channel").is_private());
    assert!(namespaces.resolve("chat/a@12345").is_ok());
    assert!(namespaces.resolve("chat/a@123456").is_err());
}

/// The configuration that the Python SDK is tested with.
#[test]
fn the_configuration_of_the_python_sdk_is_valid() {
    let json = r##"{
        "client": {
            "token": {"hmac_secret_key": "secret"},
            "subscribe_to_user_personal_channel": {"enabled": true}
        },
        "channel": {
            "without_namespace": {
                "allowed_delta_types": ["fossil"],
                "delta_publish": true,
                "presence": true,
                "join_leave": true,
                "force_push_join_leave": true,
                "history_size": 100,
                "history_ttl": "300s",
                "force_recovery": true,
                "allow_publish_for_subscriber": true,
                "allow_presence_for_subscriber": true,
                "allow_history_for_subscriber": true
            },
            "namespaces": [
                {
                    "name": "smallhistory",
                    "history_size": 2,
                    "history_ttl": "300s",
                    "force_recovery": true,
                    "allow_publish_for_subscriber": true,
                    "allow_history_for_subscriber": true
                },
                {"name": "example"}
            ]
        }
    }"##;
    let settings = by_json(json).expect("valid settings");
    let gateway = &settings.gateway;
    assert_eq!(
        gateway.namespaces.personal_channel("42").as_deref(),
        Some("#42")
    );
    let names: Vec<_> = gateway.namespaces.names().collect();
    assert_eq!(names, ["example", "smallhistory"]);
    assert_eq!(options(&settings, "smallhistory:a").history_size, 2);
    assert!(gateway.tokens.is_some());
}

/// The settings of the secure server that the JavaScript SDK is tested with, less a transport that
/// there is not; and those of the Go SDK.
#[test]
fn the_configurations_of_other_sdks_are_valid_but_for_webtransport() {
    let javascript = r#"{
        "http_stream": {"enabled": true},
        "sse": {"enabled": true},
        "uni_websocket": {"enabled": true},
        "client": {
            "token": {"hmac_secret_key": "secret"},
            "allowed_origins": ["http://localhost:*", "http://127.0.0.1:*"],
            "expired_close_delay": "3s",
            "expired_sub_close_delay": "3s"
        },
        "channel": {
            "without_namespace": {
                "presence": true, "history_size": 100, "history_ttl": "300s", "force_recovery": true
            },
            "namespaces": [
                {"name": "recovery", "allow_subscribe_for_client": true, "history_size": 100,
                 "history_ttl": "300s", "force_recovery": true, "allow_publish_for_subscriber": true},
                {"name": "private", "history_size": 100, "history_ttl": "300s", "force_recovery": true}
            ]
        }
    }"#;
    let settings = by_json(javascript).expect("valid settings");
    assert_eq!(settings.config.origins().allowed.len(), 2);
    assert!(settings.gateway.transports.uni_websocket);
    let other = javascript.replacen('{', r#"{"webtransport": {"enabled": true},"#, 1);
    let text = by_json(&other).expect_err("another transport").to_string();
    assert!(
        text.contains("only WebSocket, HTTP streaming and SSE are served"),
        "{text}"
    );

    let go = [
        ("STENTOR_CHANNEL_WITHOUT_NAMESPACE_DELTA_PUBLISH", "true"),
        (
            "STENTOR_CHANNEL_WITHOUT_NAMESPACE_ALLOWED_DELTA_TYPES",
            "fossil",
        ),
        ("STENTOR_CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE", "100"),
        ("STENTOR_CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL", "300s"),
        ("STENTOR_CHANNEL_WITHOUT_NAMESPACE_FORCE_RECOVERY", "true"),
        (
            "STENTOR_CHANNEL_NAMESPACES",
            r#"[{"name": "smallhistory", "force_recovery": true, "history_size": 2, "history_ttl": "300s"}]"#,
        ),
    ];
    let settings = ok(&["--client.insecure"], &go, None);
    assert!(settings.gateway.client.insecure);
    assert!(options(&settings, "a").delta_publish);
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let file = r#"
        [channel]
        max_length = 0
        user_separator = "a"
        [channel.without_namespace]
        history_size = 1
        presense = true
        [client.subscribe_to_user_personal_channel]
        enabled = true
        personal_channel_namespace = "personal"
        [[channel.namespaces]]
        name = "chat"
        history_ttl = "soon"
        history_size = 5
        [[channel.namespaces]]
        name = "prices"
        history_size = 5
        history_ttl = "5m"
        force_positioning = true
        delta_publish = true
        conflate = "channel"
        ttl = "1s"
        [[channel.namespaces]]
        name = "news"
        presense = true
        xyzzy = 1
        history_size = "5"
        subscription_type = "map"
        [[channel.namespaces]]
        name = "news"
        [[channel.namespaces]]
        name = "x"
    "#;
    let text = error_text(&[], &[], Some(file));
    for part in [
        "--channel.max-length: `0` from the file stentor.toml is not allowed",
        "channel.user_separator must be ASCII without letters, digits, '-', '_' and '.' (from the file stentor.toml)",
        "channel.without_namespace.history_size needs channel.without_namespace.history_ttl (from the file stentor.toml)",
        "`channel.without_namespace.presense` from the file stentor.toml is not a setting; the nearest is \
         `channel.without_namespace.presence`",
        "client.subscribe_to_user_personal_channel.personal_channel_namespace: there is no such namespace (from the \
         file stentor.toml)",
        "`channel.namespaces.chat.history_ttl` from the file stentor.toml cannot be `soon`; it takes 0s to 8760h, with \
         ms, s, m or h, in whole milliseconds",
        "channel.namespaces.prices.conflate cannot be used together with channel.namespaces.prices.force_positioning",
        "channel.namespaces.prices.conflate cannot be used together with channel.namespaces.prices.delta_publish",
        "channel.namespaces.prices.ttl cannot be used together with channel.namespaces.prices.force_positioning",
        "channel.namespaces.prices.ttl cannot be used together with channel.namespaces.prices.delta_publish",
        "`channel.namespaces.news.presense` from the file stentor.toml is not an option; the nearest is `presence`",
        "`channel.namespaces.news.xyzzy` from the file stentor.toml is not an option; --help lists them as \
         channel.without_namespace.*",
        "`channel.namespaces.news.history_size` from the file stentor.toml cannot be `\"5\"`; it takes an integer: 0 to \
         1000000",
        "`channel.namespaces.news.subscription_type` from the file stentor.toml is a setting of Centrifugo that Stentor \
         does not have: every subscription is of the type stream; remove it",
        "channel.namespaces.news is there twice (from the file stentor.toml)",
        "channel.namespaces.x: a namespace has a name of at least two letters",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    assert_eq!(text.lines().count(), 16, "{text}");
}

#[test]
fn an_entry_of_namespaces_is_a_table_with_a_name() {
    let text = error_text(&[], &[], Some("channel.namespaces = [1, {}, {name = 1}]"));
    for part in [
        "`channel.namespaces[0]` from the file stentor.toml has to be a table",
        "`channel.namespaces[1]` from the file stentor.toml has to have a `name`, which is a text",
        "`channel.namespaces[2]` from the file stentor.toml has to have a `name`, which is a text",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    let text = error_text(&[], &[], Some("channel.namespaces = 1"));
    assert!(
        text.contains("`1`") && text.contains("an array of tables"),
        "{text}"
    );
}

#[test]
fn a_key_that_json_has_twice_is_an_error() {
    let text = r#"{
        "client": {"insecure": true, "insecure": false},
        "channel": {"namespaces": [{"name": "chat", "presence": true, "presence": true}]},
        "rpc": {}, "rpc": {}
    }"#;
    let text = by_json(text).expect_err("twice").to_string();
    for key in ["client.insecure", "channel.namespaces[0].presence", "rpc"] {
        let part = format!("`{key}` from the file stentor.json is there twice");
        assert!(text.contains(&part), "{part}\n---\n{text}");
    }
    assert_eq!(text.lines().count(), 3, "{text}");
    for toml in [
        "[client]\ninsecure = true\ninsecure = true",
        "[client]\n[client]",
    ] {
        let text = error_text(&[], &[], Some(toml));
        assert!(
            text.contains("duplicate key") && text.contains("at line "),
            "{text}"
        );
    }
}
