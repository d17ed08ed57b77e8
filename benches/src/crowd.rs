//! Owns a shard with peers, and a sink in place of their sockets.

use stentor_core::{
    Admission, Chunks, Config, ConnId, Handler, MessageType, Output, Shard, ShardId, Stats,
    Timestamp,
};
use stentor_gateway::Rooms;

use crate::client_frame;

/// Peers that take everything at once.
#[derive(Debug)]
pub struct Crowd<H: Handler> {
    shard: Shard<H>,
    speaker: ConnId,
    now: Timestamp,
}

impl Crowd<Rooms> {
    /// A room with so many members.
    pub fn new(members: usize) -> Self {
        Self::with(&Config::default(), Rooms::default(), members, "")
    }
}

impl<H: Handler> Crowd<H> {
    /// So many peers, with these lines in their requests.
    pub fn with(config: &Config, handler: H, peers: usize, lines: &str) -> Self {
        let mut shard = Shard::new(ShardId(0), config, handler);
        let now = Timestamp::ORIGIN;
        let mut join = format!("{REQUEST}{lines}\r\n").into_bytes();
        client_frame(&mut join, MessageType::Text, b"join:crowd");
        let mut speaker = None;
        for _ in 0..peers {
            let id = shard.accept(now, Admission::Normal);
            shard.handle_input(now, id, &mut join.clone());
            speaker = Some(id);
        }
        let mut crowd = Self {
            shard,
            speaker: speaker.expect("there are peers"),
            now,
        };
        crowd.drain();
        crowd
    }

    /// One peer says it; how many bytes were written to all of them.
    pub fn say(&mut self, frame: &[u8]) -> usize {
        let n = frame.len();
        self.shard.read_buffer()[..n].copy_from_slice(frame);
        self.shard.handle_read(self.now, self.speaker, n);
        self.drain()
    }

    /// What the shard has counted.
    pub fn stats(&self) -> Stats {
        self.shard.stats()
    }

    fn drain(&mut self) -> usize {
        let mut written = 0;
        while let Some(output) = self.shard.poll_output() {
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

/// A message to the room, as a client sends it.
pub fn publication(text: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    client_frame(&mut frame, MessageType::Binary, &[b"msg:", text].concat());
    frame
}

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
