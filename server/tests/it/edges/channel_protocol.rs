//! Ranges of the settings of the channel protocol, and what else has to be set for them.

use stentor_core::config::Unit;

use super::{Edges, number, words};
use crate::public_keys::vectors::{ED, P256, RSA};

/// Kinds of public keys, and one of each.
const PUBLIC_KEYS: [(&str, &str); 3] = [("rsa", RSA), ("ecdsa", P256), ("eddsa", ED)];

/// Returns what is in the file with this name.
pub(super) fn file(name: &str) -> &'static str {
    let kind = name.strip_suffix(".pem");
    let keys = PUBLIC_KEYS.iter();
    keys.clone()
        .find_map(|(of, pem)| (kind == Some(*of)).then_some(*pem))
        .unwrap_or("a secret")
}

const OPTION_SWITCHES: &[&str] = &[
    "presence",
    "join_leave",
    "force_push_join_leave",
    "force_positioning",
    "allow_positioning",
    "force_recovery",
    "allow_recovery",
    "auto_cache_recover",
    "delta_publish",
    "allow_tags_filter",
    "allow_subscribe_for_client",
    "allow_subscribe_for_anonymous",
    "allow_publish_for_client",
    "allow_publish_for_subscriber",
    "allow_publish_for_anonymous",
    "allow_presence_for_client",
    "allow_presence_for_subscriber",
    "allow_presence_for_anonymous",
    "allow_history_for_client",
    "allow_history_for_subscriber",
    "allow_history_for_anonymous",
    "allow_user_limited_channels",
    "exclude_publisher",
];

const SWITCHES: &[&str] = &[
    "client.insecure",
    "client.allow_anonymous_connect_without_token",
    "client.connect_include_server_time",
    "client.subscribe_to_user_personal_channel.enabled",
    "client.subscribe_to_user_personal_channel.single_connection",
    "client.token.disallow_anonymous_connection_tokens",
    "client.subscription_token.disallow_anonymous_connection_tokens",
    "client.subscription_token.enabled",
    "http_stream.enabled",
    "sse.enabled",
    "poll.enabled",
    "uni_websocket.enabled",
    "uni_http_stream.enabled",
    "uni_sse.enabled",
    "rpc.ping.enabled",
    "seed_protocol.enabled",
];

const OPTIONS: &str = "channel.without_namespace.";

pub(super) fn is_switch(name: &str) -> bool {
    let option = name.strip_prefix(OPTIONS);
    SWITCHES.contains(&name) || option.is_some_and(|option| OPTION_SWITCHES.contains(&option))
}

/// A number of which other values are allowed than both ends.
fn inside(mut edges: Edges, inside: &[&str]) -> Edges {
    edges.inside = inside.iter().map(ToString::to_string).collect();
    edges
}

fn option(name: &str) -> &'static str {
    String::leak(format!("{OPTIONS}{name}"))
}

pub(super) fn all() -> Vec<Edges> {
    let (ms, day) = (Unit::Milliseconds, 24 * 3_600_000);
    let year = 365 * day;
    let mut all = vec![
        number("node.id", Unit::Count, 0, 1_023),
        words("seed_protocol.namespace", &["", "chat"], &[]),
        number("seed_protocol.heartbeat", ms, 0, 3_600_000),
        inside(
            number("client.ping_interval", ms, 10, day),
            &["11ms", "24h"],
        ),
        inside(
            number("client.pong_timeout", ms, 10, day),
            &["10ms", "86399999ms"],
        ),
        number("client.stale_close_delay", ms, 10, day),
        number("client.expired_close_delay", ms, 0, day),
        number("client.expired_sub_close_delay", ms, 0, day),
        number("client.detached_for", ms, 1, 3_600_000),
        number("poll.wait", ms, 1, 300_000),
        number("http_api.max_answer", Unit::Bytes, 64 << 10, 1 << 30),
        number("poll.max_sessions", Unit::Count, 0, 1 << 24),
        number("client.user_connection_limit", Unit::Count, 0, 100_000),
        words(
            "client.user_connection_policy",
            &["reject", "replace"],
            &["allow"],
        ),
        number("client.channel_limit", Unit::Count, 1, 1_024),
        number("client.max_errors", Unit::Count, 0, 1_000_000),
        number(
            "client.history_max_publication_limit",
            Unit::Count,
            1,
            1_000_000,
        ),
        number(
            "client.recovery_max_publication_limit",
            Unit::Count,
            1,
            1_000_000,
        ),
        number("client.history_max_bytes", Unit::Bytes, 1 << 10, 1 << 30),
        number("client.max_message", Unit::Bytes, 1 << 10, 1 << 30),
        number("client.queue_max_size", Unit::Bytes, 1 << 10, 1 << 30),
        words(
            "client.subscribe_to_user_personal_channel.personal_channel_namespace",
            &["", "chat"],
            &[],
        ),
        number("channel.max_length", Unit::Count, 1, 4_096),
        words("channel.private_prefix", &["$", "!!"], &[]),
        words("channel.namespace_boundary", &[":", "/"], &[]),
        words("channel.user_boundary", &["#", "@"], &[]),
        words("channel.user_separator", &[",", ";"], &[]),
        number("channel.history_meta_ttl", ms, 1, year),
        words("channel.namespaces", &["[]"], &[]),
        inside(
            number(option("history_size"), Unit::Count, 0, 1_000_000),
            &["1", "1000000"],
        ),
        inside(
            number(option("history_ttl"), ms, 0, year),
            &["1ms", "8760h"],
        ),
        number(option("history_meta_ttl"), ms, 0, year),
        words(
            option("force_recovery_mode"),
            &["stream", "cache"],
            &["", "Stream"],
        ),
        words(option("allowed_delta_types"), &["fossil"], &["", "vcdiff"]),
        words(option("channel_regex"), &["^[a-z]+$"], &[]),
        words(
            option("publication_data_format"),
            &["", "json", "json_object", "binary"],
            &["text"],
        ),
        number(option("priority"), Unit::Count, 0, 255),
        number(option("ttl"), ms, 0, year),
        words(
            option("overflow"),
            &[
                "default",
                "evict-lower",
                "drop-new",
                "drop-oldest",
                "conflate",
                "disconnect",
            ],
            &["", "evict_lower"],
        ),
        words(
            option("conflate"),
            &["off", "channel", "tag:share"],
            &["", "tag", "share"],
        ),
    ];
    let keys = [
        "http_api.key",
        "http_api.key_file",
        "http_api.previous_key",
        "http_api.previous_key_file",
    ];
    all.extend(keys.map(|name| words(name, &["a text"], &[])));
    all.push(words(
        "http_api.error_mode",
        &["result", "transport"],
        &["", "Result"],
    ));
    for section in ["client.token", "client.subscription_token"] {
        let key = |name: &str| -> &'static str { String::leak(format!("{section}.{name}")) };
        let texts = [
            "hmac_secret_key",
            "hmac_secret_key_file",
            "hmac_previous_secret_key",
            "hmac_previous_secret_key_file",
            "audience",
            "audience_regex",
            "issuer",
            "issuer_regex",
            "user_id_claim",
        ];
        all.extend(texts.map(|name| words(key(name), &["a text"], &[])));
        for (kind, pem) in PUBLIC_KEYS {
            all.push(words(key(&format!("{kind}_public_key")), &[pem], &[]));
            let file = format!("{kind}_public_key_file");
            all.push(words(key(&file), &[&format!("{kind}.pem")], &[]));
        }
        let until = key("hmac_previous_secret_key_valid_until");
        all.push(number(until, Unit::Count, 0, i64::MAX as u64));
    }
    let switches = SWITCHES.iter().copied();
    let switches = switches.chain(OPTION_SWITCHES.iter().map(|name| option(name)));
    all.extend(switches.map(|name| words(name, &["true", "false"], &["1", "TRUE"])));
    all
}

/// Returns the flags that a setting needs beside it.
pub(super) fn needed(name: &str) -> Vec<String> {
    let flag = |name: &str, value: &str| format!("--{}={value}", name.replace('_', "-"));
    let mut flags = Vec::new();
    if name == "client.ping_interval" {
        flags.push(flag("client.pong_timeout", "10ms"));
    }
    if name == "client.pong_timeout" {
        flags.push(flag("client.ping_interval", "24h"));
    }
    if name.ends_with("namespace") {
        flags.push(flag("channel.namespaces", r#"[{"name": "chat"}]"#));
    }
    let personal = "client.subscribe_to_user_personal_channel.";
    if name == "client.subscribe_to_user_personal_channel.single_connection" {
        flags.push(flag(&format!("{personal}enabled"), "true"));
        flags.push(flag(option("presence"), "true"));
    }
    if name.starts_with(OPTIONS) {
        flags.push(flag("channel.history_meta_ttl", "8760h"));
        let history = [("history_size", "1"), ("history_ttl", "1ms")];
        for (other, value) in history.map(|(other, value)| (option(other), value)) {
            if other != name {
                flags.push(flag(other, value));
            }
        }
        if name == option("overflow") {
            flags.push(flag(option("conflate"), "channel"));
        }
    }
    let subscription = "client.subscription_token.";
    if let Some(name) = name.strip_prefix(subscription) {
        if name != "enabled" {
            flags.push(flag(&format!("{subscription}enabled"), "true"));
        }
        if !name.starts_with("hmac_secret_key") {
            flags.push(flag(&format!("{subscription}hmac_secret_key"), "key"));
        }
    }
    if name.contains("previous_secret_key") && name.starts_with("client.token.") {
        flags.push(flag("client.token.hmac_secret_key", "key"));
    }
    if name.starts_with("http_api.previous_key") {
        flags.push(flag("http_api.key", "key"));
    }
    if let Some((section, _)) = name.split_once("_valid_until") {
        flags.push(flag(section, "key"));
    }
    flags
}
