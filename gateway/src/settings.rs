//! Settings of the gateway, typed. They are filled by others.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use stentor_core::config::{ConfigBuilder, ConnectionLimits};

use crate::api::ApiSettings;
use crate::emulation::SessionKey;
use crate::namespaces::Namespaces;
use crate::publication_encoding::{JSON, MESSAGE_PACK, ONE_WAY_JSON, ONE_WAY_PROTOBUF, PROTOBUF};
use crate::rooms::Rooms;
use crate::token::Verifier;

/// Settings of a [`Gateway`](crate::Gateway), shared by all shards.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Who may connect.
    pub access: Access,
    /// `client.token`: verifies connection tokens, and subscription tokens unless those have their own.
    pub tokens: Option<Arc<Verifier>>,
    /// `client.subscription_token`: verifies subscription tokens.
    pub subscription_tokens: Option<Arc<Verifier>>,
    /// The namespaces of channels.
    pub namespaces: Arc<Namespaces>,
    /// Settings of clients of the channel protocol.
    pub client: ClientSettings,
    /// Which transports there are beside WebSocket.
    pub transports: TransportSettings,
    /// What the secrets of emulated connections are made of.
    pub session_key: SessionKey,
    /// The server API.
    pub api: ApiSettings,
    /// The seed protocol: commands of one word, such as `join:lobby`.
    pub seed_protocol: SeedProtocol,
    /// The part of client ids that no other node of the same service has: 10 bits.
    pub node: u16,
}

/// Settings that are replaced while a server runs.
pub trait SettingsUpdates: fmt::Debug + Send + Sync {
    /// Returns the settings if they are newer than this version, which becomes theirs. Called for each
    /// request and message. The first settings have version 0.
    fn newer_than(&self, version: &mut u64) -> Option<Arc<GatewaySettings>>;
}

/// Who may connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Access {
    /// Whoever has a token, or is allowed to connect without one.
    #[default]
    Configured,
    /// Everyone: the server listens on loopback only and has no key. A request that came over a
    /// proxy, or to another host than a loopback name, is refused with 403.
    Development,
    /// Nobody: other machines can reach the server, and it has no key. Requests are refused with 403.
    Unconfigured,
}

/// Settings of clients of the channel protocol: the section `client` of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientSettings {
    /// `insecure`: everyone may connect without a token, and may do everything.
    pub insecure: bool,
    /// `allow_anonymous_connect_without_token`.
    pub allow_anonymous_connect_without_token: bool,
    /// `ping_interval`: how often the server pings.
    pub ping_interval: Duration,
    /// `pong_timeout`: how long a client has to answer a ping.
    pub pong_timeout: Duration,
    /// `stale_close_delay`: how long a client has to connect.
    pub stale_close_delay: Duration,
    /// `expired_close_delay`: how long after its expiry a connection is closed.
    pub expired_close_delay: Duration,
    /// `expired_sub_close_delay`: how long after its expiry a subscription ends.
    pub expired_sub_close_delay: Duration,
    /// `user_connection_limit`: the most connections of a user, 0 for any number. Those of anonymous
    /// users are not counted.
    pub user_connection_limit: usize,
    /// `user_connection_policy`: what becomes of one more.
    pub user_connection_policy: UserConnectionPolicy,
    /// `channel_limit`: the most subscriptions of a connection.
    pub channel_limit: usize,
    /// `max_message`: the most bytes of a message of a client; a longer one closes the connection with
    /// 1009.
    pub max_message: usize,
    /// `queue_max_size`: the most bytes that wait for a client.
    pub queue_max_size: usize,
    /// `max_errors`: the most errors of a connection in a minute, 0 for any number.
    pub max_errors: u32,
    /// `history_max_publication_limit`: the most publications of one answer to a client.
    pub history_max_publication_limit: u32,
    /// `recovery_max_publication_limit`: the most publications that are recovered.
    pub recovery_max_publication_limit: u32,
    /// `connect_include_server_time`.
    pub connect_include_server_time: bool,
    /// `history_max_bytes`: the most bytes of publications that a channel keeps.
    pub history_max_bytes: usize,
    /// `rpc.ping.enabled`: whether the method `ping` is answered.
    pub rpc_ping: bool,
    /// `detached_for`: how long the session of a client that polls lasts without a poll.
    pub detached_for: Duration,
}

/// What becomes of a connection of a user who has as many as are allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UserConnectionPolicy {
    /// It is closed with 3504.
    #[default]
    Reject,
    /// It stays, and the oldest of the user is closed with 3504.
    Replace,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            insecure: false,
            allow_anonymous_connect_without_token: false,
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            stale_close_delay: Duration::from_secs(10),
            expired_close_delay: Duration::from_secs(25),
            expired_sub_close_delay: Duration::from_secs(25),
            user_connection_limit: 0,
            user_connection_policy: UserConnectionPolicy::Reject,
            channel_limit: 128,
            max_message: 64 << 10,
            queue_max_size: 1 << 20,
            max_errors: 100,
            history_max_publication_limit: 300,
            recovery_max_publication_limit: 300,
            connect_include_server_time: false,
            history_max_bytes: 4 << 20,
            rpc_ping: false,
            detached_for: Duration::from_secs(30),
        }
    }
}

impl ClientSettings {
    /// Sets the limits of connections of the channel protocol. Those of the seed protocol keep those
    /// of the configuration.
    pub fn limit(&self, builder: ConfigBuilder) -> ConfigBuilder {
        let limits = ConnectionLimits {
            max_message: self.max_message,
            // The bytes are the limit.
            queue_messages: MAX_QUEUED,
            queue_bytes: self.queue_max_size,
        };
        builder
            .codec_limits(JSON, limits)
            .codec_limits(PROTOBUF, limits)
            .codec_limits(ONE_WAY_JSON, limits)
            .codec_limits(ONE_WAY_PROTOBUF, limits)
            .codec_limits(MESSAGE_PACK, limits)
    }
}

/// Which transports of the channel protocol there are beside WebSocket: the settings `enabled` of
/// sections of these names.
///
/// The first three are on by default: they carry the same sessions as a WebSocket, for clients that may
/// do the same, and are for networks that do not let WebSockets through, which nobody knows of before.
/// Clients of the others are written for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransportSettings {
    /// `http_stream`: HTTP streaming, with commands by `/emulation`.
    pub http_stream: bool,
    /// `sse`: server-sent events, with commands by `/emulation`.
    pub sse: bool,
    /// `poll`: long polling.
    pub poll: bool,
    /// `poll.wait`: how long a poll waits for something to give.
    pub poll_wait: Duration,
    /// `poll.max_sessions`: the most sessions of a shard that are polled.
    pub poll_max_sessions: usize,
    /// `uni_websocket`: WebSocket, one-way.
    pub uni_websocket: bool,
    /// `uni_http_stream`: HTTP streaming, one-way.
    pub uni_http_stream: bool,
    /// `uni_sse`: server-sent events, one-way.
    pub uni_sse: bool,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            http_stream: true,
            sse: true,
            poll: true,
            poll_wait: Duration::from_secs(25),
            poll_max_sessions: 10_000,
            uni_websocket: false,
            uni_http_stream: false,
            uni_sse: false,
        }
    }
}

/// The most messages that wait for a client.
const MAX_QUEUED: usize = 1 << 16;

/// Settings of the seed protocol: the section `seed_protocol` of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SeedProtocol {
    /// `enabled`: whether the path `/ws` is served.
    pub enabled: bool,
    /// `namespace`: the namespace of all rooms; empty for none, and then any name in UTF-8 is one.
    pub namespace: String,
    /// `heartbeat`: how often the text `heartbeat` is sent; never if `None`.
    pub heartbeat: Option<Duration>,
    /// What the commands do beside that.
    pub rooms: Rooms,
}

/// A secret of the configuration, which no log shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
