//! Clients of a gateway, driven by hand through a shard: transcripts of every command, error and close
//! code, in JSON and Protobuf, and the seed protocol on the same channels.

mod access;
mod api;
mod api_clients;
mod api_queries;
mod api_repeats;
mod channels;
mod connect;
mod delta;
mod expiry;
mod history;
mod metrics;
mod msgpack;
mod polls;
mod protobuf;
mod rooms;
mod server;
mod tag_filter;
mod tokens;
mod transports;
mod user_limit;

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};
use stentor_gateway::token::{Algorithm, HmacKey, SigningKey, Verifier};
use stentor_gateway::{
    Access, ApiKeys, ApiSettings, ClientSettings, GatewaySettings, SeedProtocol, SessionKey,
    TransportSettings,
};

/// The wall clock when a server starts, in seconds.
const NOW: u64 = 1_800_000_000;

/// Settings with a key, in which clients need a token and may do nothing by themselves.
fn settings(channel: ChannelSettings) -> GatewaySettings {
    GatewaySettings {
        access: Access::Configured,
        tokens: Some(Arc::new(Verifier::new(key()))),
        subscription_tokens: None,
        namespaces: Arc::new(channel.build().expect("valid settings")),
        client: ClientSettings::default(),
        api: ApiSettings {
            keys: ApiKeys::new(String::from("key").into(), String::from("before").into()),
            ..ApiSettings::default()
        },
        transports: TransportSettings::default(),
        session_key: SessionKey::new([7; 32]),
        seed_protocol: SeedProtocol {
            enabled: true,
            ..SeedProtocol::default()
        },
        node: 1,
    }
}

/// Settings in which everybody may do everything, with these options of every channel.
fn insecure(without_namespace: ChannelOptions) -> GatewaySettings {
    let mut settings = settings(ChannelSettings {
        without_namespace,
        ..ChannelSettings::default()
    });
    settings.client.insecure = true;
    settings
}

/// Options of channels with a history of this many publications.
fn with_history(history_size: u32) -> ChannelOptions {
    ChannelOptions {
        history_size,
        history_ttl: std::time::Duration::from_secs(300),
        ..ChannelOptions::default()
    }
}

/// Options of channels that clients recover.
fn recoverable(history_size: u32) -> ChannelOptions {
    ChannelOptions {
        force_recovery: true,
        ..with_history(history_size)
    }
}

fn key() -> HmacKey {
    HmacKey::new(b"secret").expect("a secret")
}

/// A token with these claims, signed with the key of the settings.
fn token(claims: &str) -> String {
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let signed = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(claims));
    let signature = key().sign(Algorithm::Hs256, signed.as_bytes());
    let signature = BASE64URL_NOPAD.encode(&signature.expect("an HMAC"));
    format!("{signed}.{signature}")
}
