//! Links of sessions: wires other than WebSocket, transports, and codecs of the application.

mod codecs;
mod transports;
mod wires;

use std::collections::HashMap;
use std::net::SocketAddr;

use stentor_core::config::ConfigBuilder;
use stentor_core::delivery::{Chunks, Codec, Outgoing};
use stentor_core::proto::transport::Transport;
use stentor_core::proto::wire::Wire;
use stentor_core::shard::Admission;
use stentor_core::stats::Stats;
use stentor_core::{
    Acceptance, CloseCode, Config, ConnId, Context, Decision, Handler, HttpRequest, Message,
    MessageType, Output, SendOptions, Shard, ShardId, Timestamp,
};
use stentor_sim::simulator::{self, CatchCrashes};

use stentor_core::testing::wire::Opcode;

/// A chat of one room. The path says the wire of a connection, and the query its codec: 1 adds the
/// channel, or repeats what begins with a star 16 times, 2 takes no binary messages, 3 panics.
struct Chat;

impl Handler for Chat {
    type State = ();
    type Task = ();
    type Outcome = ();

    const CODECS: usize = 4;

    fn encode(codec: Codec, message: &Outgoing<'_>, out: &mut Vec<u8>) -> Option<MessageType> {
        match codec.number() {
            1 if message.payload.starts_with(b"*") => {
                out.extend(message.payload.repeat(16));
                Some(MessageType::Text)
            }
            1 => {
                out.extend_from_slice(message.channel.unwrap_or(b"you"));
                out.push(b'>');
                out.extend_from_slice(message.payload);
                Some(MessageType::Text)
            }
            2 if message.kind == MessageType::Binary => None,
            2 => {
                out.extend(message.payload.iter().rev());
                Some(MessageType::Binary)
            }
            _ => simulator::crash(),
        }
    }

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        let codec = request.query().and_then(|query| query.parse().ok());
        let accepted = Acceptance::new(()).codec(Codec::new(codec.unwrap_or_default()));
        match request.path() {
            "/ws" => Decision::Accept(accepted),
            "/lines" => Decision::Accept(accepted.wire(Wire::Lines)),
            _ => Decision::reject(404),
        }
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.subscribe(b"room");
        ctx.reply(MessageType::Text, 1, b"welcome");
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let Message { kind, payload } = message;
        match payload {
            b"bye" => ctx.close(CloseCode::GOING_AWAY),
            b"codec" => ctx.reply(kind, 5, &[b'0' + ctx.codec().number()]),
            b"me" => ctx.send(ctx.id(), kind, 5, b"to you"),
            [b'?', text @ ..] => ctx.reply(kind, 5, text),
            [b'!', text @ ..] => ctx.publish(b"room", kind, 0, text),
            text => {
                let options = SendOptions::new(10).receipt(1);
                ctx.publish(b"room", kind, options, text);
            }
        }
    }
}

/// Some shards, and what their sockets were given.
struct Net {
    shards: Vec<Shard<Chat, CatchCrashes>>,
    now: Timestamp,
    written: HashMap<ConnId, Vec<u8>>,
    closed: Vec<ConnId>,
    /// Bytes that a socket takes at a time.
    takes: usize,
}

impl Net {
    fn new(shards: u16, config: ConfigBuilder) -> Self {
        let config: Config = config.shards(shards).build().expect("in range");
        Self {
            shards: (0..shards)
                .map(|id| Shard::isolated(ShardId(id), &config, Chat))
                .collect(),
            now: Timestamp::from_micros(1),
            written: HashMap::new(),
            closed: Vec::new(),
            takes: usize::MAX,
        }
    }

    fn accept(&mut self, shard: usize, transport: Option<Box<dyn Transport>>) -> ConnId {
        let peer: SocketAddr = "192.0.2.1:1".parse().expect("an address");
        let (now, shard) = (self.now, &mut self.shards[shard]);
        match transport {
            None => shard.accept_from(now, Admission::Normal, peer),
            Some(transport) => shard.accept_over(now, Admission::Normal, peer, transport),
        }
    }

    /// Opens a WebSocket, or a link of lines. The response is taken off.
    fn connect(&mut self, shard: usize, target: &str) -> ConnId {
        let id = self.accept(shard, None);
        self.send(id, request(target).as_bytes());
        let response = self.take(id);
        let end = response.windows(4).position(|four| four == b"\r\n\r\n");
        let rest = &response[end.expect("a head") + 4..];
        assert!(
            String::from_utf8_lossy(rest).contains("welcome"),
            "{rest:?}"
        );
        id
    }

    fn send(&mut self, id: ConnId, bytes: &[u8]) {
        let shard = &mut self.shards[id.shard().index()];
        shard.handle_input(self.now, id, &mut bytes.to_vec());
        self.settle();
    }

    fn say(&mut self, id: ConnId, kind: Opcode, text: &[u8]) {
        self.send(id, &masked(kind, text));
    }

    fn take(&mut self, id: ConnId) -> Vec<u8> {
        self.written.remove(&id).unwrap_or_default()
    }

    /// Does what all shards ask for, until none asks for more.
    fn settle(&mut self) {
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

    fn carry_out(&mut self, at: usize, output: Output<Chat>) {
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

    fn flush(&mut self, id: ConnId) {
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

    fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for shard in &self.shards {
            sum += &shard.stats();
        }
        sum
    }
}

fn request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
    )
}

/// A frame of a client.
fn masked(kind: Opcode, payload: &[u8]) -> Vec<u8> {
    simulator::masked(kind, true, [1, 2, 3, 4], payload)
}

/// An unmasked frame of a server.
fn frame(kind: Opcode, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![0x80 | kind as u8, payload.len() as u8];
    frame.extend(payload);
    frame
}
