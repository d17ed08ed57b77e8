//! Settings of one run: the server, its namespaces, its clients and the simulated network.

use core::time::Duration;
use std::sync::Arc;

use stentor_core::config::ConnectionLimits;
use stentor_core::delivery::Codec;
use stentor_core::{Config, OverflowPolicy};
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings, RecoveryMode};
use stentor_gateway::token::{HmacKey, Verifier};
use stentor_gateway::{
    Access, ClientSettings, GatewaySettings, SeedProtocol, SessionKey, TransportSettings,
};

use super::known::Known;
use super::wire::Speech;
use crate::simulator::{Network, Rng};

/// What a server and its clients are started with.
#[derive(Clone, Debug)]
pub struct SubscribersSetup {
    /// Limits of the core.
    pub config: Config,
    /// The world outside.
    pub network: Network,
    /// Settings of the application.
    pub settings: Arc<GatewaySettings>,
    /// The channels that are spoken of.
    pub channels: Vec<ChannelRules>,
    /// The protocol of each client.
    pub clients: Vec<Speech>,
    /// Whether publications, joins and leaves may be lost for want of room or memory.
    pub is_lossy: bool,
    /// Whether memory may run out.
    pub is_tight: bool,
    /// After how many turns of a shard it is looked into.
    pub audit_every: u32,
    pub(super) known: Known,
}

/// A channel, and what is known of its namespace.
#[derive(Clone, Debug)]
pub struct ChannelRules {
    /// Its name.
    pub name: String,
    /// Options of its namespace.
    pub options: ChannelOptions,
}

impl ChannelRules {
    pub(super) fn is_cache(&self) -> bool {
        self.options.force_recovery_mode == RecoveryMode::Cache
    }

    pub(super) fn needs_token(&self) -> bool {
        !self.options.allow_subscribe_for_client
    }

    pub(super) fn position_ttl(&self) -> Duration {
        self.options
            .history_meta_ttl
            .expect("every namespace has one")
    }
}

/// The secret of the tokens.
pub(super) const SECRET: &[u8] = b"secret";
/// The wall clock at the beginning.
pub(super) const UNIX: u64 = 1_700_000_000;

impl SubscribersSetup {
    /// Returns how much a publication may be padded: histories are large where memory is short.
    pub(super) const fn paddings(&self) -> &'static [usize] {
        match self.is_tight {
            true => &[0, 60, 1_500, 20_000],
            false => &[0, 0, 10, 60, 300, 1_500],
        }
    }

    pub(super) fn random(seed: u64, clients: usize, known: Known) -> Self {
        let mut rng = Rng::new(seed ^ 0x5B5C_21BE);
        let rng = &mut rng;
        let shards = 1 + rng.below(4) as u16;
        let is_tight = rng.percent(12);
        let namespaces = namespaces(rng, is_tight);
        let mut channels = Vec::new();
        for (name, options) in &namespaces {
            for number in 0..1 + rng.below(2) {
                let name = match *name {
                    "" => format!("c{number}"),
                    name => format!("{name}:{number}"),
                };
                channels.push(ChannelRules {
                    name,
                    options: options.clone(),
                });
            }
        }
        let queue = *pick(
            rng,
            &[(3, 2_000), (12, 8_000), (256, 1 << 20), (256, 1 << 20)],
        );
        let lanes = [(64, 256 << 10), (64, 256 << 10), (4, 1_000)];
        let replies = *pick(rng, &lanes);
        let credits = [
            (256, 1 << 20),
            (1, 1 << 20),
            (4, 1 << 20),
            (4, 300),
            (256, 300),
        ];
        let credits = *pick(rng, &credits);
        let memory =
            usize::from(is_tight) * usize::from(shards) * ((1 << 20) + (9 << 10) * clients);
        // Clients have limits of their own, in bytes alone or also in messages.
        let limits = ConnectionLimits {
            max_message: 64 << 10,
            queue_messages: *pick(rng, &[queue.0, 1 << 16]),
            queue_bytes: queue.1,
        };
        let config = Config::builder()
            .codec_limits(Codec::new(1), limits)
            .codec_limits(Codec::new(2), limits)
            .seed(seed)
            .shards(shards)
            .queue_messages(queue.0)
            .queue_bytes(queue.1)
            .codec_limits(Codec::new(1), limits)
            .codec_limits(Codec::new(2), limits)
            .reply_messages(replies.0)
            .reply_bytes(replies.1)
            .fan_out_slice(*pick(rng, &[1, 3, 1_024]))
            .credit_messages(credits.0)
            .credit_bytes(credits.1)
            .channels_per_connection(128)
            .ping_interval(Duration::from_secs(500))
            .pong_wait(Duration::from_secs(1_000))
            .write_timeout(Duration::from_secs(*pick(rng, &[10, 600])))
            .min_read_rate(0)
            .min_send_rate(0)
            .memory_budget(memory)
            .build()
            .expect("in range");
        let network = Network {
            up: *pick(rng, &[2_000, 1 << 20]),
            down: *pick(rng, &[600, 4_000, 64_000]),
            latency: *pick(rng, &[0, 300, 3_000]),
            bandwidth: *pick(rng, &[0, 0, 2_000]),
            most_read: *pick(rng, &[600, 1 << 20]),
            short_writes: *pick(rng, &[0, 10]),
            mail_delay: *pick(rng, &[10, 300, 2_000]),
            turn: 1 + rng.below(8),
            detached: rng.percent(30),
            ..Network::smooth(seed)
        };
        let settings = gateway_settings(rng, &namespaces, is_tight);
        let speech = [
            Speech::Json,
            Speech::Json,
            Speech::Json,
            Speech::Protobuf,
            Speech::Protobuf,
            Speech::Seed,
        ];
        Self {
            config,
            network,
            settings: Arc::new(settings),
            channels,
            clients: (0..clients).map(|_| *pick(rng, &speech)).collect(),
            is_lossy: is_tight || queue.0 < 256,
            is_tight,
            known,
            audit_every: if rng.percent(20) { 1 } else { 13 },
        }
    }
}

fn gateway_settings(
    rng: &mut Rng,
    namespaces: &[(&str, ChannelOptions)],
    is_tight: bool,
) -> GatewaySettings {
    let named = namespaces.iter().filter(|(name, _)| !name.is_empty());
    let settings = ChannelSettings {
        without_namespace: namespaces[1].1.clone(),
        namespaces: named
            .map(|(name, options)| ((*name).to_owned(), options.clone()))
            .collect(),
        ..ChannelSettings::default()
    };
    let verifier = Verifier::new(HmacKey::new(SECRET).expect("a secret"));
    GatewaySettings {
        api: stentor_gateway::ApiSettings::default(),
        access: Access::Configured,
        tokens: Some(Arc::new(verifier)),
        subscription_tokens: None,
        namespaces: Arc::new(settings.build().expect("settings that are allowed")),
        client: ClientSettings {
            insecure: false,
            allow_anonymous_connect_without_token: rng.percent(70),
            // So few that there are times without any.
            ping_interval: seconds(pick(rng, &[25, 60])),
            pong_timeout: seconds(pick(rng, &[2, 4])),
            stale_close_delay: seconds(&10),
            expired_close_delay: seconds(pick(rng, &[1, 5])),
            expired_sub_close_delay: seconds(pick(rng, &[1, 5])),
            channel_limit: *pick(rng, &[3, 128]),
            max_errors: *pick(rng, &[10, 100]),
            history_max_publication_limit: *pick(rng, &[4, 300]),
            recovery_max_publication_limit: *pick(rng, &[5, 300]),
            connect_include_server_time: false,
            history_max_bytes: match is_tight {
                true => 4 << 20,
                false => *pick(rng, &[400, 2_000, 4 << 20]),
            },
            rpc_ping: true,
            ..ClientSettings::default()
        },
        transports: TransportSettings::default(),
        session_key: SessionKey::new([7; 32]),
        seed_protocol: SeedProtocol {
            enabled: true,
            // What is no text is none of its business.
            namespace: pick(rng, &namespaces[1..]).0.to_owned(),
            ..SeedProtocol::default()
        },
        node: 1,
    }
}

/// The first is that of publications that are no JSON, the second that of channels without a namespace.
fn namespaces(rng: &mut Rng, is_tight: bool) -> Vec<(&'static str, ChannelOptions)> {
    let history = |rng: &mut Rng, open: ChannelOptions| {
        let ttl = if is_tight {
            120
        } else {
            *pick(rng, &[3, 20, 120])
        };
        let size = if is_tight {
            100
        } else {
            *pick(rng, &[1, 3, 10, 100])
        };
        ChannelOptions {
            history_size: size,
            history_ttl: seconds(&ttl),
            history_meta_ttl: Some(seconds(&(ttl * pick(rng, &[1, 3])))),
            ..open
        }
    };
    let open = ChannelOptions {
        presence: true,
        history_meta_ttl: Some(seconds(&60)),
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_client: true,
        allow_publish_for_anonymous: true,
        allow_presence_for_client: true,
        allow_presence_for_anonymous: true,
        allow_history_for_client: true,
        allow_history_for_anonymous: true,
        ..ChannelOptions::default()
    };
    let without = ChannelOptions {
        force_recovery: true,
        join_leave: true,
        force_push_join_leave: true,
        ..history(rng, open.clone())
    };
    let plain = ChannelOptions {
        presence: rng.percent(50),
        ..open.clone()
    };
    let room = ChannelOptions {
        join_leave: true,
        force_push_join_leave: rng.percent(60),
        ..open.clone()
    };
    let hist = ChannelOptions {
        presence: rng.percent(50),
        force_recovery: true,
        overflow: Some(OverflowPolicy::DropNew),
        ..history(rng, open.clone())
    };
    let last = ChannelOptions {
        force_recovery: true,
        force_recovery_mode: RecoveryMode::Cache,
        auto_cache_recover: rng.percent(40),
        ..history(rng, open.clone())
    };
    let seen = ChannelOptions {
        force_positioning: true,
        overflow: Some(*pick(
            rng,
            &[OverflowPolicy::DropNew, OverflowPolicy::EvictLower],
        )),
        ..history(rng, open.clone())
    };
    let ask = ChannelOptions {
        exclude_publisher: false,
        allow_recovery: true,
        allow_positioning: true,
        ..history(rng, open.clone())
    };
    let raw = ChannelOptions {
        force_recovery: true,
        ..history(rng, open.clone())
    };
    let closed = ChannelOptions {
        allow_subscribe_for_client: false,
        force_recovery: true,
        ..history(rng, open)
    };
    vec![
        ("raw", raw),
        ("", without),
        ("plain", plain),
        ("room", room),
        ("hist", hist),
        ("last", last),
        ("seen", seen),
        ("ask", ask),
        ("closed", closed),
    ]
}

const fn seconds(n: &u64) -> Duration {
    Duration::from_secs(*n)
}

pub(super) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len())]
}
