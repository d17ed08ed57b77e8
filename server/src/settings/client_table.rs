//! Declarations of the settings of the channel protocol: clients, tokens, the server API, names of
//! channels.

use stentor_core::config::Unit;

use super::Settings;
use super::channel_table::{ChannelOption, OPTIONS};
use super::declaration::FlagKind::{
    self, Choice, File, Number, PublicKey, Secret, Switch, Tables, Text,
};
use super::declaration::{Declaration, bytes, count, millis, open};
use super::value::Bounds;

/// Returns the declarations.
pub(super) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    let options = OPTIONS
        .iter()
        .map(|option: &ChannelOption| &option.declaration);
    let tables = [
        CLIENT,
        TRANSPORTS,
        TOKENS,
        SUBSCRIPTION_TOKENS,
        HTTP_API,
        CHANNEL,
    ];
    tables.into_iter().flatten().chain(options)
}

macro_rules! client {
    ($field:ident) => {
        |settings| Some(settings.gateway.client.$field as u64)
    };
}

macro_rules! client_time {
    ($field:ident) => {
        |settings| Some(millis(settings.gateway.client.$field))
    };
}

const CLIENT: &[Declaration] = &[
    Declaration::new(
        "node.id",
        open(0, 1_023, |settings| Some(settings.gateway.node.into())),
        "The part of client ids that no other node of the service has",
    )
    .default("the number at the end of the host name, as in pod-3, or 0"),
    Declaration::new(
        "seed_protocol.enabled",
        Switch,
        "Serves the text protocol of rooms at /ws",
    )
    .default("true while listening on loopback only and without a key for tokens"),
    Declaration::new(
        "seed_protocol.namespace",
        Text(""),
        "The namespace of all rooms of that protocol; empty for none",
    )
    .range("a name of channel.namespaces"),
    Declaration::new(
        "seed_protocol.heartbeat",
        time(0, 0, 3_600_000, |settings| {
            let heartbeat = settings.gateway.seed_protocol.heartbeat;
            Some(millis(heartbeat.unwrap_or_default()))
        }),
        "How often that protocol sends the text heartbeat; 0s = never",
    ),
    Declaration::new(
        "client.insecure",
        Switch,
        "Everyone may connect without a token and may do everything; not for production",
    ),
    Declaration::new(
        "client.allow_anonymous_connect_without_token",
        Switch,
        "Clients without a token may connect, as anonymous ones",
    ),
    Declaration::new(
        "client.ping_interval",
        time(10, 25_000, DAY, client_time!(ping_interval)),
        "How often the server pings a client",
    ),
    Declaration::new(
        "client.pong_timeout",
        time(10, 8_000, DAY, client_time!(pong_timeout)),
        "How long a client has to answer a ping; shorter than client.ping_interval",
    ),
    Declaration::new(
        "client.stale_close_delay",
        time(10, 10_000, DAY, client_time!(stale_close_delay)),
        "How long a client has to send its connect command",
    ),
    Declaration::new(
        "client.expired_close_delay",
        time(0, 25_000, DAY, client_time!(expired_close_delay)),
        "How long after its expiry a connection is closed",
    ),
    Declaration::new(
        "client.expired_sub_close_delay",
        time(0, 25_000, DAY, client_time!(expired_sub_close_delay)),
        "How long after its expiry a subscription ends",
    ),
    Declaration::new(
        "client.user_connection_limit",
        count(0, 0, 100_000, client!(user_connection_limit)),
        "Maximum number of connections of a user; 0 = unlimited",
    ),
    Declaration::new(
        "client.user_connection_policy",
        Choice(&["reject", "replace"], "reject"),
        "Which connection is closed with 3504 for one too many: the new one, or the oldest",
    ),
    Declaration::new(
        "client.channel_limit",
        count(1, 128, 1_024, client!(channel_limit)),
        "Maximum number of subscriptions of a connection",
    ),
    Declaration::new(
        "client.max_message",
        bytes(1 << 10, 64 << 10, 1 << 30, client!(max_message)),
        "Maximum size of a message of a client; a larger one is closed with 1009",
    ),
    Declaration::new(
        "client.queue_max_size",
        bytes(1 << 10, 1 << 20, 1 << 30, client!(queue_max_size)),
        "Maximum number of bytes queued for a client",
    ),
    Declaration::new(
        "client.max_errors",
        count(0, 100, 1_000_000, client!(max_errors)),
        "Maximum number of errors of a connection in a minute; one more closes it with 3509; 0 = unlimited",
    ),
    Declaration::new(
        "client.history_max_publication_limit",
        count(1, 300, 1_000_000, client!(history_max_publication_limit)),
        "Maximum number of publications in an answer about the history",
    ),
    Declaration::new(
        "client.recovery_max_publication_limit",
        count(1, 300, 1_000_000, client!(recovery_max_publication_limit)),
        "Maximum number of publications that a subscriber recovers",
    ),
    Declaration::new(
        "client.history_max_bytes",
        bytes(1 << 10, 4 << 20, 1 << 30, client!(history_max_bytes)),
        "Maximum number of bytes of publications that a channel keeps",
    ),
    Declaration::new(
        "client.connect_include_server_time",
        Switch,
        "Tells clients the time of the server when they connect",
    ),
    Declaration::new(
        "client.subscribe_to_user_personal_channel.enabled",
        Switch,
        "Subscribes every connection of a user to the channel #<user>",
    ),
    Declaration::new(
        "client.subscribe_to_user_personal_channel.personal_channel_namespace",
        Text(""),
        "The namespace of that channel; empty for none",
    )
    .range("a name of channel.namespaces"),
    Declaration::new(
        "client.subscribe_to_user_personal_channel.single_connection",
        Switch,
        "Closes older connections of a user that connects again; the channel needs presence",
    ),
    Declaration::new(
        "client.detached_for",
        time(1, 30_000, 3_600_000, client_time!(detached_for)),
        "How long the session of a client that polls lasts without a poll",
    ),
    Declaration::new(
        "rpc.ping.enabled",
        Switch,
        "Answers calls of the method ping; all others are not found",
    ),
];

macro_rules! tokens {
    ($prefix:literal $(, $first:expr)*) => {
        &[
            $($first,)*
            Declaration::new(
                concat!($prefix, ".hmac_secret_key"),
                Secret,
                "Key of HS256, HS384 and HS512 that tokens are signed with",
            ),
            Declaration::new(
                concat!($prefix, ".hmac_secret_key_file"),
                File,
                "File with that key; a final line break is not part of it",
            ),
            Declaration::new(
                concat!($prefix, ".hmac_previous_secret_key"),
                Secret,
                "Key that tokens were signed with before, while the key is changed",
            ),
            Declaration::new(
                concat!($prefix, ".hmac_previous_secret_key_file"),
                File,
                "File with that key; a final line break is not part of it",
            ),
            Declaration::new(
                concat!($prefix, ".hmac_previous_secret_key_valid_until"),
                count(0, 0, i64::MAX as u64, |_| None),
                "Until when tokens of the previous key are valid, in seconds of Unix time; 0 = without end",
            ),
            Declaration::new(
                concat!($prefix, ".rsa_public_key"),
                PublicKey,
                "Public key of RS256, RS384 and RS512: RSA of at least 2048 bits",
            ),
            Declaration::new(
                concat!($prefix, ".rsa_public_key_file"),
                File,
                "File with that key",
            ),
            Declaration::new(
                concat!($prefix, ".ecdsa_public_key"),
                PublicKey,
                "Public key of ES256, ES384 or ES512, by its curve: P-256, P-384 or P-521",
            ),
            Declaration::new(
                concat!($prefix, ".ecdsa_public_key_file"),
                File,
                "File with that key",
            ),
            Declaration::new(
                concat!($prefix, ".eddsa_public_key"),
                PublicKey,
                "Public key of EdDSA: Ed25519",
            ),
            Declaration::new(
                concat!($prefix, ".eddsa_public_key_file"),
                File,
                "File with that key",
            ),
            Declaration::new(
                concat!($prefix, ".audience"),
                Text(""),
                "The audience (claim aud) that a token needs; empty for any",
            )
            .range("a text"),
            Declaration::new(
                concat!($prefix, ".audience_regex"),
                Text(""),
                "A pattern that is found in the audience of a token; empty for any",
            )
            .range("a regular expression"),
            Declaration::new(
                concat!($prefix, ".issuer"),
                Text(""),
                "The issuer (claim iss) that a token needs; empty for any",
            )
            .range("a text"),
            Declaration::new(
                concat!($prefix, ".issuer_regex"),
                Text(""),
                "A pattern that is found in the issuer of a token; empty for any",
            )
            .range("a regular expression"),
            Declaration::new(
                concat!($prefix, ".user_id_claim"),
                Text(""),
                "The claim with the user; empty for sub",
            )
            .range("a name"),
            Declaration::new(
                concat!($prefix, ".disallow_anonymous_connection_tokens"),
                Switch,
                "Refuses connection tokens without a user with 3507",
            ),
        ]
    };
}

const TOKENS: &[Declaration] = tokens!("client.token");

const SUBSCRIPTION_TOKENS: &[Declaration] = tokens!(
    "client.subscription_token",
    Declaration::new(
        "client.subscription_token.enabled",
        Switch,
        "Verifies subscription tokens with the settings below and not with those of client.token",
    )
);

const TRANSPORTS: &[Declaration] = &[
    Declaration::new(
        "http_stream.enabled",
        Switch,
        "Serves HTTP streaming at /connection/http_stream, with commands at /emulation",
    )
    .default("true"),
    Declaration::new(
        "sse.enabled",
        Switch,
        "Serves server-sent events at /connection/sse, with commands at /emulation",
    )
    .default("true"),
    Declaration::new(
        "poll.enabled",
        Switch,
        "Serves long polling at /connection/poll",
    )
    .default("true"),
    Declaration::new(
        "poll.wait",
        time(1, 25_000, 300_000, |settings| {
            Some(millis(settings.gateway.transports.poll_wait))
        }),
        "How long a poll waits for something to give",
    ),
    Declaration::new(
        "poll.max_sessions",
        count(0, 10_000, 1 << 24, |settings| {
            Some(settings.gateway.transports.poll_max_sessions as u64)
        }),
        "Maximum number of sessions per shard that are polled",
    ),
    Declaration::new(
        "uni_websocket.enabled",
        Switch,
        "Serves one-way WebSockets at /connection/uni_websocket",
    ),
    Declaration::new(
        "uni_http_stream.enabled",
        Switch,
        "Serves one-way HTTP streaming at /connection/uni_http_stream",
    ),
    Declaration::new(
        "uni_sse.enabled",
        Switch,
        "Serves one-way server-sent events at /connection/uni_sse",
    ),
];

const HTTP_API: &[Declaration] = &[
    Declaration::new(
        "http_api.key",
        Secret,
        "Key of the server API; without it the API refuses every call",
    ),
    Declaration::new(
        "http_api.key_file",
        File,
        "File with that key; a final line break is not part of it",
    ),
    Declaration::new(
        "http_api.previous_key",
        Secret,
        "Key of the server API before, while the key is changed",
    ),
    Declaration::new(
        "http_api.previous_key_file",
        File,
        "File with that key; a final line break is not part of it",
    ),
    Declaration::new(
        "http_api.error_mode",
        Choice(&["result", "transport"], "result"),
        "Whether the server API answers errors with 200, or with a status of HTTP",
    ),
    Declaration::new(
        "http_api.max_answer",
        bytes(64 << 10, 16 << 20, 1 << 30, |settings| {
            Some(settings.gateway.api.max_answer as u64)
        }),
        "Bytes of an answer of the server API from which on no further command of a batch is carried out: \
         these get error 106",
    ),
];

const CHANNEL: &[Declaration] = &[
    Declaration::new(
        "channel.max_length",
        count(1, 255, 4_096, |_| None),
        "Maximum length of the name of a channel in bytes",
    ),
    Declaration::new(
        "channel.private_prefix",
        Text("$"),
        "Channels whose name begins with this need a subscription token; empty for none",
    )
    .range(DELIMITER),
    Declaration::new(
        "channel.namespace_boundary",
        Text(":"),
        "What stands between the namespace and the rest of a name",
    )
    .range(DELIMITER),
    Declaration::new(
        "channel.user_boundary",
        Text("#"),
        "What stands before the users in a name; empty for none",
    )
    .range(DELIMITER),
    Declaration::new(
        "channel.user_separator",
        Text(","),
        "What stands between the users in a name",
    )
    .range(DELIMITER),
    Declaration::new(
        "channel.history_meta_ttl",
        time(1, 720 * 3_600_000, 8_760 * 3_600_000, |_| None),
        "How long a channel keeps its position",
    ),
    Declaration::new(
        "channel.namespaces",
        Tables,
        "Namespaces: a table for each, with its name and the options of channel.without_namespace; \
         as a flag and in the environment the same as JSON",
    )
    .range("an array of tables"),
];

const DELIMITER: &str = "ASCII without letters, digits, -, _ and .";

const DAY: u64 = 24 * 3_600_000;

const fn time(min: u64, default: u64, max: u64, get: fn(&Settings) -> Option<u64>) -> FlagKind {
    let bounds = Bounds::new(Unit::Milliseconds, min, default, max);
    Number { bounds, get }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_gateway() {
        let defaults = stentor_gateway::ClientSettings::default();
        assert_eq!(Settings::default().gateway.client, defaults);
        assert_eq!(defaults.ping_interval.as_secs(), 25);
    }
}
