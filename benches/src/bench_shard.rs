//! Shard with connected clients whose sockets accept everything at once.

use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::stats::Stats;
use stentor_core::{Config, ConnId, Handler, MessageType, Output, Shard, ShardId, Timestamp};
use stentor_gateway::Rooms;

use crate::messages::client_frame;

/// A shard and its clients.
#[derive(Debug)]
pub struct BenchShard<H: Handler> {
    shard: Shard<H>,
    sender: ConnId,
    now: Timestamp,
}

impl BenchShard<Rooms> {
    /// Creates a shard with one room.
    pub fn room(members: usize) -> Self {
        Self::new(&Config::default(), Rooms::default(), members, "")
    }
}

impl<H: Handler> BenchShard<H> {
    /// Creates a shard with connected clients. `headers` are lines that are added to their
    /// requests, each with its line end.
    pub fn new(config: &Config, handler: H, clients: usize, headers: &str) -> Self {
        let mut shard = Shard::new(ShardId(0), config, handler);
        let now = Timestamp::ORIGIN;
        let mut join = format!("{REQUEST}{headers}\r\n").into_bytes();
        client_frame(&mut join, MessageType::Text, &[b"join:bench"]);
        let mut sender = None;
        for _ in 0..clients {
            let id = shard.accept(now, Admission::Normal);
            shard.handle_input(now, id, &mut join.clone());
            sender = Some(id);
        }
        let mut created = Self {
            shard,
            sender: sender.expect("at least one client"),
            now,
        };
        created.drain();
        created
    }

    /// Handles bytes from one client. Returns how many bytes were written to all of them.
    pub fn receive(&mut self, frame: &[u8]) -> usize {
        let n = frame.len();
        self.shard.read_buffer()[..n].copy_from_slice(frame);
        self.shard.handle_read(self.now, self.sender, n);
        self.drain()
    }

    /// Returns the statistics of the shard.
    pub fn stats(&self) -> Stats {
        self.shard.stats()
    }

    fn drain(&mut self) -> usize {
        let mut written = 0;
        while let Some(output) = self.shard.poll_output().work() {
            if let Output::Flush(id) = output {
                let mut chunks = Chunks::new();
                self.shard.poll_transmit(id, &mut chunks);
                let n = core::hint::black_box(chunks.as_slices())
                    .iter()
                    .map(|slice| slice.len())
                    .sum();
                drop(chunks);
                self.shard.handle_transmitted(self.now, id, n);
                written += n;
            }
        }
        written
    }
}

/// Returns the frame with which a client sends a message to its room.
pub fn publication(text: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    client_frame(&mut frame, MessageType::Binary, &[b"msg:", text]);
    frame
}

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
