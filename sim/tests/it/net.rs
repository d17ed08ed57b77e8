//! A few shards driven by hand, without clocks and sockets.

use std::collections::HashMap;
use std::net::SocketAddr;

use stentor_core::config::ConfigBuilder;
use stentor_core::delivery::Chunks;
use stentor_core::proto::transport::Transport;
use stentor_core::shard::Admission;
use stentor_core::stats::Stats;
use stentor_core::testing::wire::Opcode;
use stentor_core::{Config, ConnId, Handler, Output, Shard, ShardId, Timestamp};
use stentor_sim::simulator::{self, CatchCrashes};

/// Some shards, and what their sockets were given.
pub(crate) struct Net<H: Handler> {
    pub(crate) shards: Vec<Shard<H, CatchCrashes>>,
    pub(crate) now: Timestamp,
    pub(crate) written: HashMap<ConnId, Vec<u8>>,
    pub(crate) closed: Vec<ConnId>,
    /// Bytes that a socket takes at a time.
    pub(crate) takes: usize,
}

impl<H: Handler> Net<H> {
    pub(crate) fn new(shards: u16, config: ConfigBuilder, handler: impl Fn() -> H) -> Self {
        let config: Config = config.shards(shards).build().expect("in range");
        Self {
            shards: (0..shards)
                .map(|id| Shard::isolated(ShardId(id), &config, handler()))
                .collect(),
            now: Timestamp::from_micros(1),
            written: HashMap::new(),
            closed: Vec::new(),
            takes: usize::MAX,
        }
    }

    pub(crate) fn accept(&mut self, shard: usize, transport: Option<Box<dyn Transport>>) -> ConnId {
        // An address that has no limits.
        let peer: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        let (now, shard) = (self.now, &mut self.shards[shard]);
        match transport {
            None => shard.accept_from(now, Admission::Normal, peer),
            Some(transport) => {
                let id = shard.accept_from(now, Admission::Normal, peer);
                shard.set_transport(id, transport);
                id
            }
        }
    }

    pub(crate) fn send(&mut self, id: ConnId, bytes: &[u8]) {
        let shard = &mut self.shards[id.shard().index()];
        shard.handle_input(self.now, id, &mut bytes.to_vec());
        self.settle();
    }

    pub(crate) fn say(&mut self, id: ConnId, kind: Opcode, text: &[u8]) {
        self.send(id, &masked(kind, text));
    }

    pub(crate) fn take(&mut self, id: ConnId) -> Vec<u8> {
        self.written.remove(&id).unwrap_or_default()
    }

    /// Does what all shards ask for, until none asks for more.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut work = false;
            for at in 0..self.shards.len() {
                let next = loop {
                    match self.shards[at].poll_output() {
                        Output::Timeout(next) => break next,
                        output => self.carry_out(at, output),
                    }
                    work = true;
                };
                if next.is_some_and(|(due, _)| due <= self.now) {
                    self.shards[at].handle_timeout(self.now);
                    work = true;
                }
                self.shards[at].audit();
            }
            if !work {
                return;
            }
        }
    }

    pub(crate) fn carry_out(&mut self, at: usize, output: Output<H>) {
        match output {
            Output::Flush(id) => self.flush(id),
            Output::Send(to, message) => {
                self.shards[to.index()].handle_message(self.now, message);
            }
            Output::Shut(id) => self.shards[at].handle_eof(self.now, id),
            Output::Disconnect(id) => self.closed.push(id),
            Output::Abort => panic!("a shard cannot go on"),
            _ => {}
        }
    }

    pub(crate) fn flush(&mut self, id: ConnId) {
        let shard = &mut self.shards[id.shard().index()];
        let mut chunks = Chunks::new();
        shard.poll_transmit(id, &mut chunks);
        let bytes = chunks.as_slices().concat();
        drop(chunks);
        assert!(!bytes.is_empty(), "a write of nothing");
        let n = bytes.len().min(self.takes);
        self.written.entry(id).or_default().extend(&bytes[..n]);
        shard.handle_transmitted(self.now, id, n);
        if n < bytes.len() && n > 0 {
            shard.handle_writable(self.now, id);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for shard in &self.shards {
            sum += &shard.stats();
        }
        sum
    }
}

pub(crate) fn request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
    )
}

/// A frame of a client.
pub(crate) fn masked(kind: Opcode, payload: &[u8]) -> Vec<u8> {
    simulator::masked(kind, true, [1, 2, 3, 4], payload)
}
