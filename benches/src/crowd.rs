//! Owns a shard with members of one room, and a sink in place of their sockets.

use stentor_core::{
    Admission, Chunks, Config, ConnId, Kind, Output, Rooms, Shard, ShardId, Timestamp,
};

use crate::client_frame;

/// A room full of peers that take everything at once.
#[derive(Debug)]
pub struct Crowd {
    shard: Shard<Rooms>,
    speaker: ConnId,
    message: Vec<u8>,
    now: Timestamp,
}

impl Crowd {
    /// So many members; what is said to them is `text`.
    pub fn new(members: usize, text: &[u8]) -> Self {
        let config = Config::default();
        let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
        let now = Timestamp::ORIGIN;
        let mut join = REQUEST.as_bytes().to_vec();
        client_frame(&mut join, Kind::Text, b"join:crowd");
        let mut speaker = None;
        for _ in 0..members {
            let id = shard.accept(now, Admission::Normal);
            shard.handle_input(now, id, &mut join.clone());
            speaker = Some(id);
        }
        let mut message = Vec::new();
        client_frame(&mut message, Kind::Text, &[b"msg:", text].concat());
        let mut crowd = Self {
            shard,
            speaker: speaker.expect("there are members"),
            message,
            now,
        };
        crowd.drain();
        let told = crowd.say();
        assert!(told >= members * text.len(), "everyone is told");
        crowd
    }

    /// One member says it, everyone is told; how many bytes were written.
    pub fn say(&mut self) -> usize {
        let n = self.message.len();
        self.shard.read_buffer()[..n].copy_from_slice(&self.message);
        self.shard.handle_read(self.now, self.speaker, n);
        self.drain()
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

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
