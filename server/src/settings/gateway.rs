//! Conversion of the settings into those of the channel protocol.

use std::sync::Arc;

use stentor_gateway::token::{HmacKey, InvalidPattern, KeySet, Verifier};
use stentor_gateway::{
    Access, ApiKeys, ApiSettings, ClientSettings, GatewaySettings, Rooms, Secret, SeedProtocol,
    SessionKey, TransportSettings, UserConnectionPolicy,
};

use super::SettingsError;
use super::endpoint::Endpoint;
use super::flag::HIDDEN;
use super::namespaces;
use super::raw::RawSettings;
use crate::public_key::{InvalidPublicKey, PublicKey};

/// What signs and verifies tokens of connections and of subscriptions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signing {
    pub(crate) connection: TokenSettings,
    /// `None` if they are those of connections.
    pub(crate) subscription: Option<TokenSettings>,
}

/// A section of settings about tokens, as far as new tokens need it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenSettings {
    pub(crate) key: Option<HmacKey>,
    pub(crate) audience: String,
    pub(crate) issuer: String,
    pub(crate) user_claim: String,
    pub(crate) verifier: Option<Arc<Verifier>>,
}

/// Returns the settings of the channel protocol, and what signs tokens.
pub(super) fn settings(
    raw: &RawSettings,
    listen: &[Endpoint],
    has_admin: bool,
    rooms: Rooms,
) -> (Arc<GatewaySettings>, Signing) {
    let client = client(raw);
    let signing = signing(raw);
    let namespaces = namespaces::namespaces(raw);
    let tokens = signing.connection.verifier.clone();
    let subscription_tokens = signing.subscription.as_ref();
    let subscription_tokens = subscription_tokens.and_then(|section| section.verifier.clone());
    let has_key = tokens.is_some() || subscription_tokens.is_some();
    let is_loopback = listen.iter().all(Endpoint::is_loopback);
    let is_configured = has_key || client.insecure || client.allow_anonymous_connect_without_token;
    let settings = GatewaySettings {
        access: match (is_configured, is_loopback) {
            (true, _) => Access::Configured,
            (false, true) => Access::Development,
            (false, false) => Access::Unconfigured,
        },
        tokens,
        subscription_tokens,
        client,
        transports: transports(raw),
        session_key: session_key(raw),
        api: api(raw, has_admin),
        seed_protocol: SeedProtocol {
            enabled: raw
                .switch_given("seed_protocol.enabled")
                .unwrap_or(is_loopback && !has_key),
            namespace: raw.text_or_default(namespaces::SEED_NAMESPACE).into(),
            heartbeat: raw.time_unless_zero("seed_protocol.heartbeat"),
            rooms,
        },
        namespaces: Arc::new(namespaces),
        node: node(raw),
    };
    (Arc::new(settings), signing)
}

fn transports(raw: &RawSettings) -> TransportSettings {
    TransportSettings {
        http_stream: raw.switch_given("http_stream.enabled").unwrap_or(true),
        sse: raw.switch_given("sse.enabled").unwrap_or(true),
        poll: raw.switch_given("poll.enabled").unwrap_or(true),
        poll_wait: raw.time("poll.wait"),
        poll_max_sessions: raw.number("poll.max_sessions") as usize,
        uni_websocket: raw.switch("uni_websocket.enabled"),
        uni_http_stream: raw.switch("uni_http_stream.enabled"),
        uni_sse: raw.switch("uni_sse.enabled"),
    }
}

fn session_key(raw: &RawSettings) -> SessionKey {
    let mut random = [0; 32];
    if let Err(error) = getrandom::fill(&mut random) {
        raw.report(SettingsError::System {
            what: "random bytes from the operating system",
            problem: error.to_string(),
        });
    }
    SessionKey::new(random)
}

fn api(raw: &RawSettings, has_admin: bool) -> ApiSettings {
    let secret = |key: &str| {
        let text = raw.text_or_default(key);
        if text == HIDDEN {
            report_hidden(raw, key);
        }
        Secret::from(String::from(text))
    };
    let (key, previous) = ("http_api.key", "http_api.previous_key");
    let keys = ApiKeys::new(secret(key), secret(previous));
    if !raw.text_or_default(previous).is_empty() && raw.text_or_default(key).is_empty() {
        raw.report_problem(previous, format!("needs `{key}`"));
    }
    ApiSettings {
        keys,
        is_internal: has_admin,
        transport_errors: raw.choice("http_api.error_mode") == "transport",
        max_answer: raw.number("http_api.max_answer") as usize,
    }
}

/// Reports a secret from `config show`.
fn report_hidden(raw: &RawSettings, key: &str) {
    let problem = format!("cannot be `{HIDDEN}`, which is shown in place of a secret");
    raw.report_problem(key, problem);
}

fn client(raw: &RawSettings) -> ClientSettings {
    let client = ClientSettings {
        insecure: raw.switch("client.insecure"),
        allow_anonymous_connect_without_token: raw
            .switch("client.allow_anonymous_connect_without_token"),
        ping_interval: raw.time("client.ping_interval"),
        pong_timeout: raw.time("client.pong_timeout"),
        stale_close_delay: raw.time("client.stale_close_delay"),
        expired_close_delay: raw.time("client.expired_close_delay"),
        expired_sub_close_delay: raw.time("client.expired_sub_close_delay"),
        user_connection_limit: raw.number("client.user_connection_limit") as usize,
        user_connection_policy: match raw.choice("client.user_connection_policy") {
            "replace" => UserConnectionPolicy::Replace,
            _ => UserConnectionPolicy::Reject,
        },
        channel_limit: raw.number("client.channel_limit") as usize,
        max_message: raw.number("client.max_message") as usize,
        queue_max_size: raw.number("client.queue_max_size") as usize,
        max_errors: raw.number("client.max_errors") as u32,
        history_max_publication_limit: raw.number("client.history_max_publication_limit") as u32,
        recovery_max_publication_limit: raw.number("client.recovery_max_publication_limit") as u32,
        connect_include_server_time: raw.switch("client.connect_include_server_time"),
        history_max_bytes: raw.number("client.history_max_bytes") as usize,
        rpc_ping: raw.switch("rpc.ping.enabled"),
        detached_for: raw.time("client.detached_for"),
    };
    if client.pong_timeout >= client.ping_interval {
        raw.report_problem(
            "client.pong_timeout",
            "must be shorter than `client.ping_interval`",
        );
    }
    client
}

fn signing(raw: &RawSettings) -> Signing {
    const SUBSCRIPTION: &str = "client.subscription_token";
    let subscription = tokens(raw, SUBSCRIPTION);
    let enabled = "client.subscription_token.enabled";
    let given = raw.switch_given(enabled);
    let is_enabled = given == Some(true);
    let names = PUBLIC_KEYS.iter().map(|(name, _)| *name);
    let key = ["hmac_secret_key"]
        .into_iter()
        .chain(names)
        .find_map(|name| given_key(raw, &format!("{SUBSCRIPTION}.{name}")));
    if is_enabled && key.is_none() {
        let problem = format!("needs a key, such as `{SUBSCRIPTION}.hmac_secret_key`");
        raw.report_problem(enabled, problem);
    } else if given.is_none()
        && let Some(key) = key
    {
        raw.report_problem(&key, format!("needs `{enabled}`"));
    }
    Signing {
        connection: tokens(raw, "client.token"),
        subscription: is_enabled.then_some(subscription),
    }
}

/// The settings of public keys, and what reads them.
const PUBLIC_KEYS: [(&str, ReadKey); 3] = [
    ("rsa_public_key", PublicKey::rsa),
    ("ecdsa_public_key", PublicKey::ecdsa),
    ("eddsa_public_key", PublicKey::eddsa),
];

type ReadKey = fn(&str) -> Result<PublicKey, InvalidPublicKey>;

/// Returns this setting if a key is given. An empty one is none.
fn given_key(raw: &RawSettings, key: &str) -> Option<String> {
    let text = raw.text(key)?;
    (!text.is_empty()).then(|| key.into())
}

/// Returns a section of settings about tokens.
fn tokens(raw: &RawSettings, section: &str) -> TokenSettings {
    let key_of = |name: &str| format!("{section}.{name}");
    let hmac = |name| {
        let text = raw.text(&key_of(name))?;
        if text == HIDDEN {
            report_hidden(raw, &key_of(name));
        }
        HmacKey::new(text.as_bytes())
    };
    let text = |name| raw.text_or_default(&key_of(name));
    let needs = |name, other| {
        raw.report_problem(&key_of(name), format!("needs `{}`", key_of(other)));
    };
    let key = hmac("hmac_secret_key");
    let previous = hmac("hmac_previous_secret_key");
    let valid_until = raw.number(&key_of("hmac_previous_secret_key_valid_until"));
    if previous.is_some() && key.is_none() {
        needs("hmac_previous_secret_key", "hmac_secret_key");
    }
    if previous.is_none() && valid_until > 0 {
        let name = "hmac_previous_secret_key_valid_until";
        needs(name, "hmac_previous_secret_key");
    }
    let claims = [("audience", "audience_regex"), ("issuer", "issuer_regex")];
    for (name, pattern) in claims {
        if !text(name).is_empty() && !text(pattern).is_empty() {
            let problem = format!("cannot be used together with `{}`", key_of(name));
            raw.report_problem(&key_of(pattern), problem);
        }
    }
    let requires_user = raw.switch(&key_of("disallow_anonymous_connection_tokens"));
    let [audience, issuer, user_claim] = ["audience", "issuer", "user_id_claim"].map(text);
    let mut keys = key.clone().map_or_else(KeySet::new, KeySet::from);
    for (name, read) in PUBLIC_KEYS {
        let pem = text(name);
        if pem.is_empty() {
            continue;
        }
        match read(pem) {
            Ok(key) => keys = keys.public_key(key),
            Err(error) => raw.report_problem(&key_of(name), error.to_string()),
        }
    }
    let has_key = !keys.is_empty();
    // Patterns are checked without a key, too.
    let verifier = {
        let mut verifier = Verifier::new(keys);
        if let Some(previous) = previous {
            let until = if valid_until == 0 {
                u64::MAX
            } else {
                valid_until
            };
            verifier = verifier.previous_key(previous, until);
        }
        if !audience.is_empty() {
            verifier = verifier.audience(audience);
        }
        if !issuer.is_empty() {
            verifier = verifier.issuer(issuer);
        }
        if !user_claim.is_empty() {
            verifier = verifier.user_claim(user_claim);
        }
        if requires_user {
            verifier = verifier.require_user();
        }
        let patterns: [(&str, AddPattern); 2] = [
            ("audience_regex", Verifier::audience_pattern),
            ("issuer_regex", Verifier::issuer_pattern),
        ];
        for (name, add) in patterns {
            let pattern = text(name);
            if pattern.is_empty() {
                continue;
            }
            verifier = add(verifier, pattern).unwrap_or_else(|_| {
                raw.report_problem(&key_of(name), "is not a regular expression");
                // Unused, since there is an error.
                Verifier::new(KeySet::new())
            });
        }
        verifier
    };
    TokenSettings {
        verifier: has_key.then(|| Arc::new(verifier)),
        key,
        audience: audience.into(),
        issuer: issuer.into(),
        user_claim: user_claim.into(),
    }
}

type AddPattern = fn(Verifier, &str) -> Result<Verifier, InvalidPattern>;

/// Returns the number of the node: the setting, or what the host name ends in.
fn node(raw: &RawSettings) -> u16 {
    let given = raw.number_given("node.id").map(|id| id as u16);
    given.or_else(|| ordinal(&host_name()?)).unwrap_or(0)
}

/// Returns the ordinal at the end of the name of a pod, such as `stentor-3`, if it can be that of a
/// node.
fn ordinal(host_name: &str) -> Option<u16> {
    let label = host_name.split('.').next()?;
    let (_, digits) = label.rsplit_once('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let ordinal: u16 = is_number.then(|| digits.parse().ok())??;
    (ordinal < 1_024).then_some(ordinal)
}

fn host_name() -> Option<String> {
    #[cfg(unix)]
    {
        let system = rustix::system::uname();
        system.nodename().to_str().ok().map(Into::into)
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ordinal_of_a_pod_is_the_number_of_the_node() {
        for (name, node) in [
            ("pod-3", Some(3)),
            ("stentor-chat-0", Some(0)),
            ("stentor-12.stentor.default.svc", Some(12)),
            ("pod-1023", Some(1_023)),
            ("pod-1024", None),
            ("pod-70000", None),
            ("pod-", None),
            ("pod-x3", None),
            ("pod-+3", None),
            ("pod3", None),
            ("", None),
        ] {
            assert_eq!(ordinal(name), node, "{name}");
        }
    }
}
