//! Settings of clients of the channel protocol: access, tokens, the seed protocol, keys of Centrifugo.

use core::time::Duration;

use stentor_gateway::token::{Algorithm, HmacKey, TokenBuilder, TokenError, Verifier};
use stentor_gateway::{Access, ClientSettings, UserConnectionPolicy};
use stentor_server::Settings;

use super::{error_text, ok};

fn key(secret: &str) -> HmacKey {
    HmacKey::new(secret.as_bytes()).expect("a secret")
}

#[test]
fn clients_have_the_values_that_were_set() {
    assert_eq!(ok(&[], &[], None).gateway.client, ClientSettings::default());
    let file = "
        [client]
        insecure = true
        allow_anonymous_connect_without_token = true
        ping_interval = \"1m30s\"
        pong_timeout = \"200ms\"
        stale_close_delay = \"3s\"
        expired_close_delay = \"4s\"
        expired_sub_close_delay = \"5s\"
        user_connection_limit = 3
        user_connection_policy = \"replace\"
        channel_limit = 6
        max_message = 2000
        queue_max_size = \"3KiB\"
        max_errors = 7
        history_max_publication_limit = 8
        recovery_max_publication_limit = 9
        connect_include_server_time = true
        history_max_bytes = \"10KiB\"
        detached_for = \"14s\"
        [rpc.ping]
        enabled = true
        [node]
        id = 11";
    let gateway = ok(&[], &[], Some(file)).gateway;
    let expected = ClientSettings {
        insecure: true,
        allow_anonymous_connect_without_token: true,
        ping_interval: Duration::from_secs(90),
        pong_timeout: Duration::from_millis(200),
        stale_close_delay: Duration::from_secs(3),
        expired_close_delay: Duration::from_secs(4),
        expired_sub_close_delay: Duration::from_secs(5),
        user_connection_limit: 3,
        user_connection_policy: UserConnectionPolicy::Replace,
        channel_limit: 6,
        max_message: 2_000,
        queue_max_size: 3 << 10,
        max_errors: 7,
        history_max_publication_limit: 8,
        recovery_max_publication_limit: 9,
        connect_include_server_time: true,
        history_max_bytes: 10 << 10,
        rpc_ping: true,
        detached_for: Duration::from_secs(14),
    };
    assert_eq!(gateway.client, expected);
    assert_eq!(gateway.node, 11);
    let by_flag = ok(&["--client.max-errors=12"], &[], Some(file));
    assert_eq!(by_flag.gateway.client.max_errors, 12);
    let by_variable = ok(&[], &[("STENTOR_CLIENT_MAX_ERRORS", "13")], Some(file));
    assert_eq!(by_variable.gateway.client.max_errors, 13);
}

#[test]
fn a_pong_has_to_come_before_the_next_ping() {
    let text = error_text(&["--client.ping-interval=5s"], &[], None);
    let expected =
        "`client.pong_timeout` from the default must be shorter than `client.ping_interval`";
    assert_eq!(text, expected);
}

#[test]
fn access_follows_keys_and_addresses() {
    let outside = "--listen=0.0.0.0:1";
    let secret = "--client.token.hmac-secret-key=s";
    let anonymous = "--client.allow-anonymous-connect-without-token";
    for (args, access, seed) in [
        (vec![], Access::Development, true),
        (vec![outside], Access::Unconfigured, false),
        (
            vec!["--listen=127.0.0.1:1", outside],
            Access::Unconfigured,
            false,
        ),
        (vec![secret], Access::Configured, false),
        (vec![outside, secret], Access::Configured, false),
        (vec!["--client.insecure"], Access::Configured, true),
        (
            vec![outside, "--client.insecure"],
            Access::Configured,
            false,
        ),
        (vec![outside, anonymous], Access::Configured, false),
        (
            vec![secret, "--seed_protocol.enabled"],
            Access::Configured,
            true,
        ),
        (
            vec!["--seed_protocol.enabled=false"],
            Access::Development,
            false,
        ),
    ] {
        let args: Vec<_> = args.iter().map(|arg| arg.replace('_', "-")).collect();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let gateway = ok(&args, &[], None).gateway;
        assert_eq!(gateway.access, access, "{args:?}");
        assert_eq!(gateway.seed_protocol.enabled, seed, "{args:?}");
    }
    let subscription = [
        "--client.subscription-token.enabled",
        "--client.subscription-token.hmac-secret-key=s",
    ];
    assert_eq!(
        ok(&subscription, &[], None).gateway.access,
        Access::Configured
    );
}

#[test]
fn the_seed_protocol_has_the_rooms_and_its_own_settings() {
    let args = ["--rooms.exclude-sender", "--seed-protocol.heartbeat=2s"];
    let seed = ok(&args, &[], None).gateway.seed_protocol.clone();
    assert!(seed.rooms.exclude_sender);
    assert_eq!(seed.heartbeat, Some(Duration::from_secs(2)));
    assert_eq!(seed.namespace, "");
    assert_eq!(ok(&[], &[], None).gateway.seed_protocol.heartbeat, None);
    let file = "seed_protocol.namespace = \"rooms\"\nchannel.namespaces = [{name = \"rooms\"}]";
    assert_eq!(
        ok(&[], &[], Some(file)).gateway.seed_protocol.namespace,
        "rooms"
    );
    let text = error_text(&["--seed-protocol.namespace=chat"], &[], Some(file));
    assert_eq!(
        text,
        "`seed_protocol.namespace` from the flag --seed-protocol.namespace is not the name of one of \
         `channel.namespaces`"
    );
}

#[test]
fn a_node_has_ten_bits() {
    let text = error_text(&["--node.id=1024"], &[], None);
    assert!(text.contains("it takes 0 to 1023"), "{text}");
}

fn verifier(settings: &Settings) -> &Verifier {
    settings.gateway.tokens.as_ref().expect("a key")
}

#[test]
fn tokens_are_verified_with_the_key_and_the_one_before() {
    let file = "
        [client.token]
        hmac_secret_key = \"new\"
        hmac_previous_secret_key = \"old\"
        hmac_previous_secret_key_valid_until = 1000
        audience = \"chat\"
        issuer_regex = \"^https://.*\\\\.example$\"
        user_id_claim = \"uid\"
        disallow_anonymous_connection_tokens = true";
    let settings = ok(&[], &[], Some(file));
    assert!(settings.gateway.subscription_tokens.is_none());
    let verify = |token: &TokenBuilder, secret: &str, now| {
        let token = token.sign(&key(secret), Algorithm::Hs256).expect("signed");
        let mut buffer = Vec::new();
        let verified = verifier(&settings).verify_connection(&token, now, &mut buffer);
        verified.map(|claims| claims.user.into_owned())
    };
    let token = TokenBuilder::new()
        .user_in("uid", "42")
        .audience("chat")
        .issuer("https://a.example");
    assert_eq!(verify(&token, "new", 2_000), Ok("42".into()));
    assert_eq!(verify(&token, "old", 999), Ok("42".into()));
    assert_eq!(
        verify(&token, "old", 1_000),
        Err(TokenError::InvalidSignature)
    );
    assert_eq!(
        verify(&token, "other", 0),
        Err(TokenError::InvalidSignature)
    );
    let other = token.clone().audience("news");
    assert_eq!(verify(&other, "new", 0), Err(TokenError::WrongAudience));
    let other = token.clone().issuer("https://a.example.org");
    assert_eq!(verify(&other, "new", 0), Err(TokenError::WrongIssuer));
    let anonymous = TokenBuilder::new()
        .user("42")
        .audience("chat")
        .issuer("https://a.example");
    assert_eq!(verify(&anonymous, "new", 0), Err(TokenError::Anonymous));
}

#[test]
fn a_previous_key_without_an_end_stays_valid() {
    let args = [
        "--client.token.hmac-secret-key=new",
        "--client.token.hmac-previous-secret-key=old",
    ];
    let settings = ok(&args, &[], None);
    let token = TokenBuilder::new().user("42");
    let token = token.sign(&key("old"), Algorithm::Hs512).expect("signed");
    let verified = verifier(&settings)
        .verify_connection(&token, 1 << 40, &mut Vec::new())
        .is_ok();
    assert!(verified);
}

#[test]
fn subscription_tokens_have_a_key_of_their_own_if_that_is_enabled() {
    let file = "
        client.token.hmac_secret_key = \"connections\"
        [client.subscription_token]
        enabled = true
        hmac_secret_key = \"subscriptions\"";
    let gateway = ok(&[], &[], Some(file)).gateway;
    assert!(gateway.tokens.is_some() && gateway.subscription_tokens.is_some());
    let off = file.replace("enabled = true", "enabled = false");
    let gateway = ok(&[], &[], Some(&off)).gateway;
    assert!(gateway.tokens.is_some() && gateway.subscription_tokens.is_none());
    let no_key = "client.subscription_token.enabled = true";
    assert_eq!(
        error_text(&[], &[], Some(no_key)),
        "`client.subscription_token.enabled` from the file stentor.toml needs a key, such as \
         `client.subscription_token.hmac_secret_key`"
    );
    let unused = "client.subscription_token.hmac_secret_key = \"s\"";
    assert_eq!(
        error_text(&[], &[], Some(unused)),
        "`client.subscription_token.hmac_secret_key` from the file stentor.toml needs \
         `client.subscription_token.enabled`"
    );
}

#[test]
fn contradictions_of_tokens_are_reported_together() {
    let file = "
        [client.token]
        hmac_previous_secret_key = \"old\"
        audience = \"a\"
        audience_regex = \"a\"
        issuer_regex = \"(\"
        [client.subscription_token]
        enabled = false
        hmac_previous_secret_key_valid_until = 5
        audience_regex = \"[\"
        issuer = \"a\"
        issuer_regex = \"a\"";
    let text = error_text(&[], &[], Some(file));
    for part in [
        "`client.token.hmac_previous_secret_key` from the file stentor.toml needs `client.token.hmac_secret_key`",
        "`client.token.audience_regex` from the file stentor.toml cannot be used together with `client.token.audience`",
        "`client.token.issuer_regex` from the file stentor.toml is not a regular expression",
        "`client.subscription_token.hmac_previous_secret_key_valid_until` from the file stentor.toml needs \
         `client.subscription_token.hmac_previous_secret_key`",
        "`client.subscription_token.audience_regex` from the file stentor.toml is not a regular expression",
        "`client.subscription_token.issuer_regex` from the file stentor.toml cannot be used together with \
         `client.subscription_token.issuer`",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[test]
fn a_key_of_centrifugo_that_does_not_exist_says_what_to_do() {
    let begin = |key: &str| {
        format!(
            "`{key}` from the file stentor.toml is a setting of Centrifugo that Stentor does not have: "
        )
    };
    for (line, key, advice) in [
        (
            "webtransport.enabled = true",
            "webtransport",
            "only WebSocket, HTTP streaming and SSE are served",
        ),
        (
            "sse.handler_prefix = \"/events\"",
            "sse.handler_prefix",
            "only WebSocket, HTTP streaming and SSE are served",
        ),
        (
            "grpc_api.enabled = true",
            "grpc_api",
            "the server API is served over HTTP",
        ),
        (
            "shared_poll.hmac_secret_key = \"k\"",
            "shared_poll",
            "every subscription is of the type stream",
        ),
        (
            "broker.type = \"redis\"",
            "broker",
            "history and presence are kept in the memory",
        ),
        (
            "engine.type = \"redis\"",
            "engine",
            "history and presence are kept in the memory",
        ),
        (
            "emulation.disabled = true",
            "emulation",
            "only WebSocket, HTTP streaming and SSE are served",
        ),
        (
            "uni_grpc.enabled = true",
            "uni_grpc",
            "only WebSocket, HTTP streaming and SSE are served",
        ),
        (
            "admin.enabled = true",
            "admin.enabled",
            "use `admin.listen`",
        ),
        (
            "admin.password = \"k\"",
            "admin.password",
            "use `admin.listen`",
        ),
        (
            "prometheus.enabled = true",
            "prometheus",
            "/metrics is served without it",
        ),
        (
            "client.proxy.connect.endpoint = \"http://b\"",
            "client.proxy",
            "no backend is called",
        ),
        (
            "channel.proxy.publish.endpoint = \"http://b\"",
            "channel.proxy",
            "no backend is called",
        ),
        (
            "rpc.proxy.endpoint = \"http://b\"",
            "rpc.proxy",
            "no backend is called",
        ),
        ("proxies = []", "proxies", "no backend is called"),
        (
            "client.token.jwks_public_endpoint = \"k\"",
            "client.token.jwks_public_endpoint",
            "use `hmac_secret_key`",
        ),
        (
            "client.presence_update_interval = \"27s\"",
            "client.presence_update_interval",
            "presence follows",
        ),
        (
            "client.concurrency = 8",
            "client.concurrency",
            "always executed in order",
        ),
        (
            "client.connection_limit = 5",
            "client.connection_limit",
            "use `server.max_connections`",
        ),
        (
            "http_server.port = 8000",
            "http_server",
            "use `server.listen`",
        ),
        (
            "websocket.message_size_limit = 5",
            "websocket.message_size_limit",
            "use `client.max_message`",
        ),
        (
            "token_hmac_secret_key = \"k\"",
            "token_hmac_secret_key",
            "use `client.token.hmac_secret_key`",
        ),
        (
            "channel.without_namespace.subscription_type = \"map\"",
            "channel.without_namespace.subscription_type",
            "every subscription is of the type stream",
        ),
    ] {
        let text = error_text(&[], &[], Some(line));
        let rest = text.strip_prefix(&begin(key));
        assert!(
            rest.is_some_and(|rest| rest.contains(advice)),
            "{line}: {text}"
        );
    }
    let text = error_text(&["--webtransport.enabled"], &[], None);
    assert!(
        text.contains("only WebSocket, HTTP streaming and SSE are served"),
        "{text}"
    );
}
