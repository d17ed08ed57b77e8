//! Namespaces: which names and settings are refused.

use std::time::Duration;

use stentor_core::OverflowPolicy;
use stentor_gateway::client_protocol::ErrorCode;
use stentor_gateway::namespaces::{
    ChannelOptions, ChannelSettings, Conflation, NameError, Namespaces, PersonalChannel,
    RecoveryMode, SettingProblem,
};

/// Settings with a namespace `ns`.
fn settings(options: ChannelOptions) -> ChannelSettings {
    ChannelSettings {
        namespaces: vec![("ns".to_owned(), options)],
        ..ChannelSettings::default()
    }
}

fn namespaces(options: ChannelOptions) -> Namespaces {
    settings(options).build().expect("valid settings")
}

/// The keys that are refused, each with the other that it is refused for.
fn refused(settings: ChannelSettings) -> Vec<String> {
    let errors = settings.build().expect_err("invalid settings");
    errors.iter().map(ToString::to_string).collect()
}

fn with_history() -> ChannelOptions {
    ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(300),
        ..ChannelOptions::default()
    }
}

#[test]
fn names_belong_to_the_namespace_before_the_boundary() {
    let namespaces = namespaces(with_history());
    for (name, namespace, is_private) in [
        ("a", "", false),
        ("ns:a", "ns", false),
        ("ns:a:b", "ns", false),
        ("$ns:a", "ns", true),
        ("$a", "", true),
    ] {
        let channel = namespaces.resolve(name).expect("a channel");
        assert_eq!(channel.name(), name);
        assert_eq!(
            (channel.namespace(), channel.is_private()),
            (namespace, is_private)
        );
        assert_eq!(channel.options().has_history(), namespace == "ns");
    }
    assert_eq!(namespaces.names().collect::<Vec<_>>(), ["ns"]);
}

#[test]
fn names_that_no_channel_has_are_refused() {
    let namespaces = namespaces(ChannelOptions::default());
    let longest = "x".repeat(255);
    assert!(namespaces.resolve(&longest).is_ok());
    let longer = "x".repeat(256);
    for (name, error, code) in [
        ("", NameError::Empty, None),
        (&*longer, NameError::TooLong, Some(ErrorCode::BadRequest)),
        (
            "other:a",
            NameError::UnknownNamespace,
            Some(ErrorCode::UnknownChannel),
        ),
        (
            ":a",
            NameError::UnknownNamespace,
            Some(ErrorCode::UnknownChannel),
        ),
        (
            "$:a",
            NameError::UnknownNamespace,
            Some(ErrorCode::UnknownChannel),
        ),
        (
            "Zürich",
            NameError::InvalidName,
            Some(ErrorCode::BadRequest),
        ),
        ("ns:ü", NameError::InvalidName, Some(ErrorCode::BadRequest)),
        // The namespace is looked up before the characters are.
        (
            "other:ü",
            NameError::UnknownNamespace,
            Some(ErrorCode::UnknownChannel),
        ),
    ] {
        assert_eq!(namespaces.resolve(name).err(), Some(error), "{name}");
        assert_eq!(error.error_code(), code);
    }
    assert!(namespaces.resolve_in("ns", "ns:ü").is_ok());
    assert_eq!(
        namespaces.resolve_in("ns", "other:ü").err(),
        Some(NameError::UnknownNamespace)
    );
}

#[test]
fn a_pattern_is_found_in_what_follows_the_namespace() {
    let namespaces = namespaces(ChannelOptions {
        channel_regex: r"^\p{Lu}[a-zü]+$".into(),
        ..ChannelOptions::default()
    });
    assert!(namespaces.resolve("ns:Zürich").is_ok());
    assert!(namespaces.resolve("$ns:Zürich").is_ok());
    for name in ["ns:zürich", "ns:Z", "ns:a:Zürich", "ns:Zürich#42"] {
        assert_eq!(
            namespaces.resolve(name).err(),
            Some(NameError::InvalidName),
            "{name}"
        );
    }
    // Other namespaces are as before.
    assert_eq!(
        namespaces.resolve("Zürich").err(),
        Some(NameError::InvalidName)
    );
    assert!(namespaces.resolve("z").is_ok());
}

#[test]
fn history_needs_size_and_time() {
    let day = Duration::from_secs(86_400);
    let section = "channel.namespaces.ns";
    for (options, expected) in [
        (
            ChannelOptions {
                history_size: 1,
                force_recovery: true,
                ..ChannelOptions::default()
            },
            vec![
                format!("{section}.history_size needs {section}.history_ttl"),
                format!("{section}.force_recovery needs {section}.history_ttl"),
            ],
        ),
        (
            ChannelOptions {
                history_ttl: day,
                ..ChannelOptions::default()
            },
            vec![format!(
                "{section}.history_ttl needs {section}.history_size"
            )],
        ),
        (
            ChannelOptions {
                history_ttl: 31 * day,
                ..with_history()
            },
            vec![format!(
                "{section}.history_ttl is more than {section}.history_meta_ttl"
            )],
        ),
        (
            ChannelOptions {
                history_meta_ttl: Some(Duration::from_secs(299)),
                ..with_history()
            },
            vec![format!(
                "{section}.history_ttl is more than {section}.history_meta_ttl"
            )],
        ),
        (
            ChannelOptions {
                history_meta_ttl: Some(Duration::ZERO),
                ..with_history()
            },
            vec![format!(
                "{section}.history_meta_ttl must not be zero or empty"
            )],
        ),
        (
            ChannelOptions {
                force_positioning: true,
                auto_cache_recover: true,
                ..ChannelOptions::default()
            },
            vec![
                format!("{section}.force_positioning needs {section}.history_size"),
                format!("{section}.auto_cache_recover needs {section}.history_size"),
            ],
        ),
    ] {
        assert_eq!(refused(settings(options)), expected);
    }
    let longer = ChannelOptions {
        history_ttl: 31 * day,
        history_meta_ttl: Some(31 * day),
        ..with_history()
    };
    assert_eq!(
        namespaces(longer)
            .resolve("ns:a")
            .expect("a channel")
            .history_meta_ttl(),
        31 * day
    );
}

#[test]
fn what_leaves_gaps_conflicts_with_what_must_not_have_any() {
    type Set = fn(&mut ChannelOptions);
    let gaps: [(&str, Set); 3] = [
        ("ttl", |options| options.ttl = Some(Duration::from_secs(1))),
        ("overflow", |options| {
            options.overflow = Some(OverflowPolicy::DropOldest);
        }),
        ("conflate", |options| options.conflate = Conflation::Channel),
    ];
    let no_gaps: [(&str, Set); 3] = [
        ("force_positioning", |options| {
            options.force_positioning = true;
        }),
        ("force_recovery", |options| options.force_recovery = true),
        ("delta_publish", |options| options.delta_publish = true),
    ];
    for (name, leave_gaps) in gaps {
        for (with, forbid_gaps) in no_gaps {
            let mut options = with_history();
            leave_gaps(&mut options);
            assert!(settings(options.clone()).build().is_ok(), "{name}");
            forbid_gaps(&mut options);
            let errors = settings(options.clone()).build().expect_err("a conflict");
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].key(), format!("channel.namespaces.ns.{name}"));
            assert_eq!(*errors[0].problem(), SettingProblem::Conflict { with });
            // Only recovery has a mode that allows gaps.
            options.force_recovery_mode = RecoveryMode::Cache;
            assert_eq!(
                settings(options).build().is_ok(),
                with == "force_recovery",
                "{name} {with}"
            );
        }
    }
}

#[test]
fn conflation_needs_a_key_and_a_ttl_some_time() {
    let with = |options| refused(settings(options));
    let options = ChannelOptions {
        overflow: Some(OverflowPolicy::Conflate),
        ttl: Some(Duration::ZERO),
        ..ChannelOptions::default()
    };
    assert_eq!(
        with(options),
        [
            "channel.namespaces.ns.ttl must not be zero or empty",
            "channel.namespaces.ns.overflow needs channel.namespaces.ns.conflate",
        ]
    );
    let options = ChannelOptions {
        overflow: Some(OverflowPolicy::Conflate),
        conflate: Conflation::Tag(String::new()),
        ..ChannelOptions::default()
    };
    assert_eq!(
        with(options),
        ["channel.namespaces.ns.conflate must not be zero or empty"]
    );
}

#[test]
fn every_error_is_found_in_one_run() {
    let mut settings = ChannelSettings {
        max_length: 0,
        private_prefix: "#".into(),
        namespace_boundary: String::new(),
        user_separator: "a".into(),
        ..ChannelSettings::default()
    };
    settings.without_namespace.channel_regex = "(".into();
    for name in ["chat", "x", "", "ä.b", "chat"] {
        settings
            .namespaces
            .push((name.to_owned(), ChannelOptions::default()));
    }
    assert_eq!(
        refused(settings),
        [
            "channel.max_length must not be zero or empty",
            "channel.namespace_boundary must not be zero or empty",
            "channel.user_boundary cannot be used together with channel.private_prefix",
            "channel.user_separator must be ASCII without letters, digits, '-', '_' and '.'",
            "channel.namespaces.x: a namespace has a name of at least two letters, digits, '-', '_' or '.'",
            "channel.namespaces.\"\": a namespace has a name of at least two letters, digits, '-', '_' or '.'",
            "channel.namespaces.ä.b: a namespace has a name of at least two letters, digits, '-', '_' or '.'",
            "channel.namespaces.chat is there twice",
            "channel.without_namespace.channel_regex is not a regular expression",
        ]
    );
}

#[test]
fn a_personal_channel_needs_its_namespace_and_presence() {
    let with = |namespace: &str, presence| ChannelSettings {
        personal_channel: PersonalChannel {
            enabled: true,
            personal_channel_namespace: namespace.to_owned(),
            single_connection: true,
        },
        ..settings(ChannelOptions {
            presence,
            ..ChannelOptions::default()
        })
    };
    assert_eq!(
        refused(with("other", true)),
        [
            "client.subscribe_to_user_personal_channel.personal_channel_namespace: there is no such namespace"
        ]
    );
    let needed_by = "is needed by client.subscribe_to_user_personal_channel.single_connection";
    assert_eq!(
        refused(with("ns", false)),
        [format!("channel.namespaces.ns.presence {needed_by}")]
    );
    assert_eq!(
        refused(with("", true)),
        [format!("channel.without_namespace.presence {needed_by}")]
    );
    let namespaces = with("ns", true).build().expect("valid settings");
    assert!(namespaces.has_single_connections());
    assert_eq!(namespaces.personal_channel("42").as_deref(), Some("ns:#42"));
    assert_eq!(namespaces.personal_channel(""), None);
    let channel = namespaces.resolve("ns:#42").expect("a channel");
    assert!(channel.lists_user("42") && !channel.lists_user("4"));

    let off = ChannelSettings::default().build().expect("valid settings");
    assert_eq!(
        (off.personal_channel("42"), off.has_single_connections()),
        (None, false)
    );
    let mut pointless = ChannelSettings::default();
    pointless.personal_channel.single_connection = true;
    assert_eq!(
        refused(pointless),
        [
            "client.subscribe_to_user_personal_channel.single_connection needs client.subscribe_to_user_personal_channel.enabled"
        ]
    );
}
