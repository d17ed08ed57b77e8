//! A server of one shard in memory, and one connection that calls its API.

use std::sync::Arc;
use std::time::Duration;

use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::{Config, ConnId, Output, Shard, ShardId, Timestamp};
use stentor_gateway::namespaces::{ChannelOptions, ChannelSettings};
use stentor_gateway::{
    Access, ApiKeys, ApiSettings, ClientSettings, Gateway, GatewaySettings, SeedProtocol,
    SessionKey, TransportSettings,
};

pub(super) struct Server {
    shard: Shard<Gateway>,
    connection: ConnId,
    received: Vec<u8>,
}

impl Server {
    pub(super) fn new() -> Self {
        let channel = ChannelSettings {
            without_namespace: ChannelOptions {
                presence: true,
                history_size: 10,
                history_ttl: Duration::from_secs(300),
                ..ChannelOptions::default()
            },
            namespaces: [("plain".into(), ChannelOptions::default())].into(),
            ..ChannelSettings::default()
        };
        let settings = GatewaySettings {
            access: Access::Configured,
            tokens: None,
            subscription_tokens: None,
            namespaces: Arc::new(channel.build().expect("valid settings")),
            client: ClientSettings::default(),
            api: ApiSettings {
                keys: ApiKeys::new(String::from("key").into(), String::new().into()),
                ..ApiSettings::default()
            },
            transports: TransportSettings::default(),
            session_key: SessionKey::new([7; 32]),
            seed_protocol: SeedProtocol::default(),
            node: 0,
        };
        let config = Config::builder().max_body(1 << 20).build();
        let gateway = Gateway::new(ShardId(0), Arc::new(settings));
        let mut shard = Shard::new(ShardId(0), &config.expect("limits in range"), gateway);
        shard.handle_wall_clock(Timestamp::ORIGIN, Duration::from_secs(1_800_000_000));
        let connection = shard.accept(Timestamp::ORIGIN, Admission::Normal);
        Self {
            shard,
            connection,
            received: Vec::new(),
        }
    }

    /// Calls a method, and returns the status and the content of the answer.
    pub(super) fn call(&mut self, path: &str, body: &[u8]) -> (u16, String) {
        let head = format!(
            "POST /api{path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut input = [head.as_bytes(), body].concat();
        self.received.clear();
        self.shard
            .handle_input(Timestamp::ORIGIN, self.connection, &mut input);
        self.turn();
        let end = self
            .received
            .windows(4)
            .position(|four| four == b"\r\n\r\n");
        let end = end.expect("every call is answered at once");
        let head = String::from_utf8(self.received[..end].to_vec()).expect("text");
        let body = String::from_utf8(self.received[end + 4..].to_vec()).expect("text");
        let length = format!("Content-Length: {}", body.len());
        assert!(head.lines().any(|line| line == length), "{head}");
        (head[9..12].parse().expect("three digits"), body)
    }

    fn turn(&mut self) {
        loop {
            match self.shard.poll_output() {
                Output::Timeout(_) => return,
                Output::Flush(id) => {
                    let mut chunks = Chunks::new();
                    self.shard.poll_transmit(id, &mut chunks);
                    let len = chunks.len();
                    self.received.extend(chunks.as_slices().concat());
                    drop(chunks);
                    self.shard.handle_transmitted(Timestamp::ORIGIN, id, len);
                }
                _ => {}
            }
        }
    }
}
