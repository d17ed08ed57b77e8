//! Settings of Centrifugo that do not exist here, and what to use in their place.

/// Returns what to do about a key of Centrifugo, if it is one. `key` may be below it.
pub(super) fn advice(key: &str) -> Option<&'static str> {
    let key = key.trim_start_matches('-').replace('-', "_");
    let is_it = |known: &str| {
        let rest = key.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    // A name of an option is not one of a section, so the same key is in one line only.
    let mut lines = FOREIGN
        .iter()
        .filter(|(keys, _)| keys.iter().any(|key| is_it(key)));
    lines.next().map(|(_, advice)| *advice)
}

/// Returns the problem of a key with this advice.
pub(super) fn problem(advice: &str) -> String {
    format!("is a setting of Centrifugo that Stentor does not have: {advice}")
}

const NO_BACKEND: &str =
    "no backend is called; use tokens and the permissions of `channel.namespaces`, and remove it";
const IN_MEMORY: &str = "history and presence are kept in the memory of the server; remove it";
const NOT_SERVED: &str =
    "only WebSocket, HTTP streaming and SSE are served, each at its usual path; remove it";
const NO_GRPC: &str = "the server API is served over HTTP, at /api; use `http_api.key`";
const NO_KEY_SERVER: &str = "keys are not fetched; use `hmac_secret_key`, `rsa_public_key`, \
                              `ecdsa_public_key` or `eddsa_public_key` of the same section";
const STREAMS_ONLY: &str = "every subscription is of the type stream; remove it";
const NOT_THERE: &str = "there is nothing in its place; remove it";
const POSITIONS: &str = "positions are checked with every publication; remove it";

/// Keys, and what to do about them.
pub(super) const FOREIGN: &[(&[&str], &str)] = &[
    (
        &[
            "proxies",
            "client.proxy",
            "channel.proxy",
            "rpc.proxy",
            "rpc.without_namespace",
            "rpc.namespaces",
            "rpc.namespace_boundary",
            "channel.without_namespace.subscribe_proxy_enabled",
            "channel.without_namespace.subscribe_proxy_name",
            "channel.without_namespace.publish_proxy_enabled",
            "channel.without_namespace.publish_proxy_name",
            "channel.without_namespace.sub_refresh_proxy_enabled",
            "channel.without_namespace.sub_refresh_proxy_name",
            "channel.without_namespace.subscribe_stream_proxy_enabled",
            "channel.without_namespace.subscribe_stream_proxy_name",
            "channel.without_namespace.subscribe_stream_proxy_bidirectional",
        ],
        NO_BACKEND,
    ),
    (
        &[
            "broker",
            "engine",
            "presence_manager",
            "map_broker",
            "redis",
            "nats",
        ],
        IN_MEMORY,
    ),
    (
        &[
            "http_stream.handler_prefix",
            "http_stream.max_request_body_size",
            "sse.handler_prefix",
            "sse.max_request_body_size",
            "emulation",
            "uni_websocket.handler_prefix",
            "uni_http_stream.handler_prefix",
            "uni_sse.handler_prefix",
            "uni_grpc",
            "webtransport",
            "connection_init",
            "init",
        ],
        NOT_SERVED,
    ),
    (&["grpc_api"], NO_GRPC),
    (&["api_key", "http_api.external"], "use `http_api.key`"),
    (
        &["http_api.insecure"],
        "the API always needs a key; use `http_api.key`",
    ),
    (
        &["http_api.disabled"],
        "the API is only served with a key; remove it",
    ),
    (
        &["http_api.handler_prefix"],
        "the API is served at /api; remove it",
    ),
    (
        &[
            "admin.enabled",
            "admin.password",
            "admin.secret",
            "admin.insecure",
            "admin.external",
            "admin.handler_prefix",
            "admin.web_path",
            "admin.web_proxy_address",
        ],
        "use `admin.listen`, whose pages have no password, and remove it",
    ),
    (
        &["prometheus"],
        "/metrics is served without it; see `admin.listen` and `metrics.public`, and remove it",
    ),
    (&["health"], "/healthz is always served; remove it"),
    (
        &[
            "client.token.jwks_public_endpoint",
            "client.token.jwks",
            "client.subscription_token.jwks_public_endpoint",
            "client.subscription_token.jwks",
        ],
        NO_KEY_SERVER,
    ),
    (
        &[
            "shared_poll",
            "map",
            "channel.without_namespace.subscription_type",
            "channel.without_namespace.map",
            "channel.without_namespace.shared_poll",
            "channel.without_namespace.map_clients_presence_channel_prefix",
            "channel.without_namespace.map_users_presence_channel_prefix",
        ],
        STREAMS_ONLY,
    ),
    (
        &[
            "client.channel_position_check_delay",
            "client.channel_position_max_time_lag",
        ],
        POSITIONS,
    ),
    (
        &["client.presence_update_interval"],
        "presence follows the connections at once; remove it",
    ),
    (
        &["client.concurrency"],
        "the commands of a client are always executed in order; remove it",
    ),
    (&["client.connection_limit"], "use `server.max_connections`"),
    (
        &[
            "client.connection_rate_limit",
            "client.user_id_http_header",
            "client.insecure_skip_token_signature_verify",
            "client.connect_code_to_unidirectional_disconnect",
            "consumers",
            "graphite",
            "opentelemetry",
            "usage_stats",
            "swagger",
            "dev",
            "enable_unreleased_features",
            "debug",
            "pid_file",
            "node.info_metrics_aggregate_interval",
        ],
        NOT_THERE,
    ),
    (&["node.name"], "use `node.id`, a number"),
    (
        &[
            "http_server",
            "address",
            "port",
            "internal_address",
            "internal_port",
        ],
        "use `server.listen` and `admin.listen`, and `tls.cert` for TLS",
    ),
    (
        &[
            "tls.enabled",
            "tls.cert_pem",
            "tls.key_pem",
            "tls.server_name",
            "tls_autocert",
        ],
        "use `tls.cert` and `tls.key`",
    ),
    (&["shutdown"], "use `server.shutdown_timeout`"),
    (&["log.file"], "the log goes to standard error"),
    (&["websocket.compression"], "use `compression.enabled`"),
    (&["websocket.compression_level"], "use `compression.level`"),
    (
        &["websocket.compression_min_size"],
        "use `compression.threshold`",
    ),
    (
        &["websocket.message_size_limit"],
        "use `client.max_message`",
    ),
    (&["websocket.write_timeout"], "use `client.write_timeout`"),
    (
        &[
            "websocket.disabled",
            "websocket.handler_prefix",
            "websocket.read_buffer_size",
            "websocket.write_buffer_size",
            "websocket.use_write_buffer_pool",
            "websocket.compression_prepared_message_cache_size",
        ],
        NOT_THERE,
    ),
    // Versions 2 to 5 had these at the top.
    (
        &["token_hmac_secret_key"],
        "use `client.token.hmac_secret_key`",
    ),
    (
        &["token_rsa_public_key"],
        "use `client.token.rsa_public_key`",
    ),
    (
        &["token_ecdsa_public_key"],
        "use `client.token.ecdsa_public_key`",
    ),
    (&["token_jwks_public_endpoint"], NO_KEY_SERVER),
    (&["token_audience"], "use `client.token.audience`"),
    (&["token_issuer"], "use `client.token.issuer`"),
    (&["namespaces"], "use `channel.namespaces`"),
    (&["client_insecure"], "use `client.insecure`"),
    (
        &["allow_anonymous_connect_without_token"],
        "use `client.allow_anonymous_connect_without_token`",
    ),
    (
        &["user_subscribe_to_personal"],
        "use `client.subscribe_to_user_personal_channel.enabled`",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::flag::Flag;

    #[test]
    fn a_key_of_centrifugo_has_advice_and_ours_have_none() {
        assert_eq!(advice("webtransport.enabled"), Some(NOT_SERVED));
        assert_eq!(advice("--webtransport.enabled"), Some(NOT_SERVED));
        assert_eq!(advice("client.proxy.connect.endpoint"), Some(NO_BACKEND));
        assert_eq!(advice("broker"), Some(IN_MEMORY));
        assert_eq!(advice("brokers"), None);
        for flag in super::super::flag::FLAGS.iter() {
            assert_eq!(advice(flag.key), None, "{}", flag.key);
        }
    }

    #[test]
    fn a_key_is_there_once_and_advice_names_settings() {
        let mut keys: Vec<_> = FOREIGN.iter().flat_map(|(keys, _)| *keys).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
        for (_, advice) in FOREIGN {
            let names = advice.split('`').skip(1).step_by(2);
            for name in names.filter(|name| name.contains('.')) {
                assert!(Flag::find(name).is_some(), "{name}");
            }
        }
    }
}
