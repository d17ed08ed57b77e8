//! Permissions of namespaces: who may do what.

use std::time::Duration;

use stentor_gateway::client_protocol::ErrorCode;
use stentor_gateway::namespaces::{
    ChannelAction, ChannelClient, ChannelOptions, ChannelSettings, Namespaces,
};

/// Namespaces with one, `ns`.
fn namespaces(options: ChannelOptions) -> Namespaces {
    let settings = ChannelSettings {
        namespaces: vec![("ns".to_owned(), options)],
        ..ChannelSettings::default()
    };
    settings.build().expect("valid settings")
}

fn with_history() -> ChannelOptions {
    ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(300),
        ..ChannelOptions::default()
    }
}

const fn client(user: &str) -> ChannelClient<'_> {
    ChannelClient {
        user,
        is_subscribed: false,
        is_insecure: false,
    }
}

const fn subscriber(user: &str) -> ChannelClient<'_> {
    ChannelClient {
        user,
        is_subscribed: true,
        is_insecure: false,
    }
}

const INSECURE: ChannelClient<'_> = ChannelClient {
    user: "",
    is_subscribed: false,
    is_insecure: true,
};

#[test]
fn a_client_subscribes_if_its_namespace_allows_it() {
    let may = |options: &ChannelOptions, name: &str, requester| {
        let namespaces = namespaces(options.clone());
        let channel = namespaces.resolve(name).expect("a channel");
        channel.may_subscribe(requester)
    };
    let closed = ChannelOptions::default();
    let open = ChannelOptions {
        allow_subscribe_for_client: true,
        ..ChannelOptions::default()
    };
    let public = ChannelOptions {
        allow_subscribe_for_anonymous: true,
        ..open.clone()
    };
    let anonymous_only = ChannelOptions {
        allow_subscribe_for_anonymous: true,
        ..ChannelOptions::default()
    };
    let limited = ChannelOptions {
        allow_user_limited_channels: true,
        ..ChannelOptions::default()
    };
    for (options, name, requester, expected) in [
        (&closed, "ns:a", client("42"), false),
        (&closed, "ns:a", INSECURE, true),
        (&open, "ns:a", client("42"), true),
        (&open, "ns:a", client(""), false),
        (&public, "ns:a", client(""), true),
        (&anonymous_only, "ns:a", client(""), false),
        // Without a token, not even an insecure server lets in.
        (&public, "$ns:a", client("42"), false),
        (&public, "$ns:a", INSECURE, false),
        (&limited, "$ns:a#42", client("42"), false),
        (&limited, "ns:a#42", client("42"), true),
        (&limited, "ns:a#41,42", client("42"), true),
        (&limited, "ns:a#41,42", client("4"), false),
        (&limited, "ns:a#", client(""), false),
        (&limited, "ns:a#", INSECURE, true),
        // A list of users is not opened by the other permissions.
        (&public, "ns:a#42", client("42"), false),
        (&public, "ns:a#42", client("43"), false),
    ] {
        assert_eq!(
            may(options, name, requester),
            expected,
            "{name} {requester:?} {options:?}"
        );
    }
}

#[test]
fn actions_need_the_feature_and_then_the_permission() {
    let check = |options: ChannelOptions, action, requester| {
        let namespaces = namespaces(options);
        let channel = namespaces.resolve("ns:a").expect("a channel");
        channel.check(action, requester)
    };
    for action in [ChannelAction::Presence, ChannelAction::History] {
        let off = check(ChannelOptions::default(), action, INSECURE);
        assert_eq!(off, Err(ErrorCode::NotAvailable));
    }
    let on = ChannelOptions {
        presence: true,
        ..with_history()
    };
    type Grant = fn(&mut ChannelOptions);
    let grants: [(ChannelAction, Grant, Grant, Grant); 3] = [
        (
            ChannelAction::Publish,
            |options| options.allow_publish_for_client = true,
            |options| options.allow_publish_for_subscriber = true,
            |options| options.allow_publish_for_anonymous = true,
        ),
        (
            ChannelAction::Presence,
            |options| options.allow_presence_for_client = true,
            |options| options.allow_presence_for_subscriber = true,
            |options| options.allow_presence_for_anonymous = true,
        ),
        (
            ChannelAction::History,
            |options| options.allow_history_for_client = true,
            |options| options.allow_history_for_subscriber = true,
            |options| options.allow_history_for_anonymous = true,
        ),
    ];
    let denied = Err(ErrorCode::PermissionDenied);
    for (action, for_client, for_subscriber, for_anonymous) in grants {
        let with = |grants: &[Grant]| {
            let mut options = on.clone();
            for grant in grants {
                grant(&mut options);
            }
            options
        };
        for (options, requester, expected) in [
            (with(&[]), subscriber("42"), denied),
            (with(&[]), INSECURE, Ok(())),
            (with(&[for_client]), client("42"), Ok(())),
            (with(&[for_client]), client(""), denied),
            (with(&[for_client, for_anonymous]), client(""), Ok(())),
            (with(&[for_subscriber]), client("42"), denied),
            (with(&[for_subscriber]), subscriber("42"), Ok(())),
            (with(&[for_subscriber]), subscriber(""), denied),
            (
                with(&[for_subscriber, for_anonymous]),
                subscriber(""),
                Ok(()),
            ),
            (with(&[for_anonymous]), subscriber(""), denied),
        ] {
            assert_eq!(
                check(options, action, requester),
                expected,
                "{action:?} {requester:?}"
            );
        }
        // Each permission is for one action.
        for other in [
            ChannelAction::Publish,
            ChannelAction::Presence,
            ChannelAction::History,
        ] {
            let result = check(with(&[for_client, for_subscriber]), other, subscriber("42"));
            assert_eq!(result.is_ok(), other == action);
        }
    }
}

#[test]
fn subscriptions_get_what_they_ask_for_if_it_is_allowed() {
    let grants = |options: ChannelOptions, asked| {
        let namespaces = namespaces(options);
        let channel = namespaces.resolve("ns:a").expect("a channel");
        let requester = subscriber("42");
        (
            channel.grants_recovery(asked, None, requester),
            channel.grants_positioning(asked, None, requester),
            channel.grants_join_leave(asked, None, requester),
        )
    };
    let plain = ChannelOptions::default();
    assert_eq!(grants(plain.clone(), true), (false, false, false));
    // Without history there is no position to watch.
    let allowed = ChannelOptions {
        allow_recovery: true,
        allow_positioning: true,
        ..plain
    };
    assert_eq!(grants(allowed, true), (false, false, false));
    let history = with_history();
    assert_eq!(grants(history.clone(), true), (false, false, false));
    let allowed = ChannelOptions {
        allow_recovery: true,
        ..history.clone()
    };
    assert_eq!(grants(allowed.clone(), true), (true, false, false));
    assert_eq!(grants(allowed, false), (false, false, false));
    let allowed = ChannelOptions {
        allow_history_for_subscriber: true,
        ..history.clone()
    };
    assert_eq!(grants(allowed, true), (true, true, false));
    let forced = ChannelOptions {
        force_recovery: true,
        force_positioning: true,
        join_leave: true,
        force_push_join_leave: true,
        ..history.clone()
    };
    assert_eq!(grants(forced, false), (true, true, true));
    let join_leave = ChannelOptions {
        join_leave: true,
        ..history
    };
    assert_eq!(grants(join_leave.clone(), true), (false, false, false));
    let with_presence = ChannelOptions {
        allow_presence_for_client: true,
        ..join_leave
    };
    assert_eq!(grants(with_presence.clone(), true), (false, false, true));
    assert_eq!(grants(with_presence, false), (false, false, false));
}

#[test]
fn a_token_says_whether_a_subscription_recovers_one_way_or_the_other() {
    let grants = |options: ChannelOptions, forced| {
        let namespaces = namespaces(options);
        let channel = namespaces.resolve("ns:a").expect("a channel");
        let requester = subscriber("42");
        (
            channel.grants_recovery(false, forced, requester),
            channel.grants_positioning(false, forced, requester),
            channel.grants_join_leave(false, forced, requester),
        )
    };
    let history = with_history();
    assert_eq!(grants(history.clone(), Some(true)), (true, true, true));
    let forced = ChannelOptions {
        force_recovery: true,
        force_positioning: true,
        join_leave: true,
        force_push_join_leave: true,
        ..history
    };
    assert_eq!(grants(forced.clone(), None), (true, true, true));
    assert_eq!(grants(forced, Some(false)), (false, false, false));
    // Without history there is nothing to recover.
    let plain = ChannelOptions::default();
    assert_eq!(grants(plain, Some(true)), (false, false, true));
}
