//! A server of several shards that is driven in memory. Clients are buffers, and time advances when
//! the test says so. Each connection is on another shard than the one before.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::{CloseCode, Config, ConnId, Output, Shard, ShardId, TaskEnd, Timestamp};
use stentor_gateway::{Gateway, GatewaySettings, GatewayStats};

use super::NOW;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const SHARDS: u16 = 3;

pub(super) struct Server {
    shards: Vec<Shard<Gateway>>,
    now: Timestamp,
    /// When a shard wants to be called next.
    next: Option<Timestamp>,
    clients: HashMap<ConnId, Client>,
    gone: HashSet<ConnId>,
}

#[derive(Default)]
struct Client {
    /// The head of the response, once it is complete.
    head: Option<String>,
    /// What is incomplete: the head, then a frame; or the content of a refusal.
    bytes: Vec<u8>,
    /// Opcode and payload of each frame, but for pings.
    frames: Vec<(u8, Vec<u8>)>,
    /// Whether its socket takes nothing.
    is_stuck: bool,
}

impl Server {
    pub(super) fn new(settings: GatewaySettings) -> Self {
        let config = settings.client.limit(Config::builder().shards(SHARDS));
        let config = config.channels_per_connection(1_000).build();
        let config = config.expect("limits in range");
        let settings = Arc::new(settings);
        let shards = (0..SHARDS).map(|number| {
            let gateway = Gateway::new(ShardId(number), Arc::clone(&settings));
            let mut shard = Shard::new(ShardId(number), &config, gateway);
            shard.handle_wall_clock(Timestamp::ORIGIN, Duration::from_secs(NOW));
            shard
        });
        Self {
            shards: shards.collect(),
            now: Timestamp::ORIGIN,
            next: None,
            clients: HashMap::new(),
            gone: HashSet::new(),
        }
    }

    fn shard(&mut self, id: ConnId) -> &mut Shard<Gateway> {
        &mut self.shards[id.shard().index()]
    }

    /// Sends a request with these field lines, and returns its connection.
    pub(super) fn request(&mut self, target: &str, fields: &[&str]) -> ConnId {
        let line = format!("GET {target} HTTP/1.1");
        let head = [&[&*line], fields, &["", ""]].concat();
        self.accept(head.join("\r\n").as_bytes())
    }

    /// Sends a request with a key of the API, and returns its connection.
    pub(super) fn post_api(&mut self, target: &str, body: &str) -> ConnId {
        self.post(target, &["X-API-Key: key"], body.as_bytes())
    }

    /// Calls a method of the API, and returns the answer.
    pub(super) fn api(&mut self, method: &str, params: &str) -> Value {
        let id = self.post_api(&format!("/api/{method}"), params);
        assert_eq!(self.status(id), 200, "{}", self.body(id));
        serde_json::from_str(self.body(id)).expect("JSON")
    }

    /// Sends a request with content, and returns its connection.
    pub(super) fn post(&mut self, target: &str, fields: &[&str], body: &[u8]) -> ConnId {
        let line = format!("POST {target} HTTP/1.1");
        let length = format!("Content-Length: {}", body.len());
        let head = [&[&*line, "Host: localhost", &*length], fields, &["", ""]].concat();
        self.accept(&[head.join("\r\n").as_bytes(), body].concat())
    }

    /// Sends bytes over a new connection.
    pub(super) fn accept(&mut self, bytes: &[u8]) -> ConnId {
        let peer = SocketAddr::from(([127, 0, 0, 1], 49_152));
        let (now, place) = (self.now, self.clients.len() % self.shards.len());
        let id = self.shards[place].accept_from(now, Admission::Normal, peer);
        self.clients.insert(id, Client::default());
        self.shard(id).handle_input(now, id, &mut bytes.to_vec());
        self.turn();
        id
    }

    /// Sends an opening handshake with these field lines more.
    pub(super) fn upgrade(&mut self, target: &str, fields: &[&str]) -> ConnId {
        let handshake = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        self.request(target, &[&handshake, fields].concat())
    }

    /// Returns a connection with the JSON codec that has not connected.
    pub(super) fn json(&mut self) -> ConnId {
        let id = self.upgrade("/connection/websocket", &["Host: localhost"]);
        assert_eq!(self.status(id), 101);
        id
    }

    /// Returns a connection with the Protobuf codec that has not connected.
    pub(super) fn protobuf(&mut self) -> ConnId {
        let fields = [
            "Host: localhost",
            "Sec-WebSocket-Protocol: centrifuge-protobuf",
        ];
        let id = self.upgrade("/connection/websocket", &fields);
        assert_eq!(self.status(id), 101);
        id
    }

    /// Returns a connection of the seed protocol.
    pub(super) fn room_client(&mut self) -> ConnId {
        let id = self.upgrade("/ws", &["Host: localhost"]);
        assert_eq!(self.status(id), 101);
        id
    }

    /// Returns a client that has connected without a token, and its id.
    pub(super) fn connected(&mut self) -> (ConnId, String) {
        self.connected_with("")
    }

    /// Returns a client that has connected with this token, and its id.
    pub(super) fn connected_with(&mut self, token: &str) -> (ConnId, String) {
        let id = self.json();
        let replies = self.ask(
            id,
            &format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#),
        );
        let client = replies[0]["connect"]["client"].as_str();
        (id, client.expect("it has connected").to_owned())
    }

    /// Returns the status of the response to a request.
    pub(super) fn status(&self, id: ConnId) -> u16 {
        self.head(id)[9..12].parse().expect("three digits")
    }

    /// Returns the status of the response to a request, if that has come.
    pub(super) fn status_if_any(&self, id: ConnId) -> Option<u16> {
        let is_there = self.clients[&id].head.is_some();
        is_there.then(|| self.status(id))
    }

    /// Returns the head of the response to a request.
    pub(super) fn head(&self, id: ConnId) -> &str {
        self.clients[&id].head.as_deref().expect("a response")
    }

    /// Returns the content of the response to a request.
    pub(super) fn body(&self, id: ConnId) -> &str {
        str::from_utf8(&self.clients[&id].bytes).expect("text")
    }

    /// Returns the content that has come since the last call.
    pub(super) fn content(&mut self, id: ConnId) -> Vec<u8> {
        let client = self.clients.get_mut(&id).expect("it has connected");
        std::mem::take(&mut client.bytes)
    }

    /// Returns the JSON objects of the lines that have come since the last call.
    pub(super) fn lines(&mut self, id: ConnId) -> Vec<Value> {
        let content = String::from_utf8(self.content(id)).expect("text");
        let lines = content.split_terminator('\n');
        lines
            .map(|line| serde_json::from_str(line).expect("an object a line"))
            .collect()
    }

    /// Ends the stream of a client.
    pub(super) fn hang_up(&mut self, id: ConnId) {
        let now = self.now;
        self.shard(id).handle_eof(now, id);
        self.turn();
    }

    /// Returns whether the server has let go of a connection.
    pub(super) fn is_gone(&self, id: ConnId) -> bool {
        self.gone.contains(&id)
    }

    /// Shuts the server down.
    pub(super) fn shut_down(&mut self) {
        for shard in &mut self.shards {
            shard.handle_close_all(self.now, CloseCode::GOING_AWAY);
        }
        self.turn();
    }

    /// Sends a text message.
    pub(super) fn send(&mut self, id: ConnId, text: &str) {
        self.send_frame(id, TEXT, text.as_bytes());
    }

    /// Sends a binary message.
    pub(super) fn send_binary(&mut self, id: ConnId, payload: &[u8]) {
        self.send_frame(id, BINARY, payload);
    }

    /// Sends a text message, and returns what the client has received after that.
    pub(super) fn ask(&mut self, id: ConnId, text: &str) -> Vec<Value> {
        self.send(id, text);
        self.values(id)
    }

    /// Returns the text messages that a client has received since the last call.
    pub(super) fn texts(&mut self, id: ConnId) -> Vec<String> {
        let texts = self.receive(id, TEXT).into_iter();
        texts
            .map(|text| String::from_utf8(text).expect("text is UTF-8"))
            .collect()
    }

    /// Returns the JSON objects that a client has received since the last call.
    pub(super) fn values(&mut self, id: ConnId) -> Vec<Value> {
        let texts = self.texts(id);
        let lines = texts.iter().flat_map(|text| text.split('\n'));
        lines
            .map(|line| serde_json::from_str(line).expect("an object a line"))
            .collect()
    }

    /// Returns the binary messages that a client has received since the last call.
    pub(super) fn binaries(&mut self, id: ConnId) -> Vec<Vec<u8>> {
        self.receive(id, BINARY)
    }

    /// Returns code and reason of the close frame that a client has received last, and forgets what
    /// it received before; `None` if it was not closed.
    pub(super) fn closed(&mut self, id: ConnId) -> Option<(u16, String)> {
        let client = self.clients.get_mut(&id).expect("it has connected");
        let frames = std::mem::take(&mut client.frames);
        let (opcode, payload) = frames.into_iter().next_back()?;
        if opcode != CLOSE {
            return None;
        }
        let (code, reason) = payload.split_first_chunk().expect("a code");
        let reason = String::from_utf8(reason.to_vec()).expect("text");
        Some((u16::from_be_bytes(*code), reason))
    }

    /// Returns the code of the close frame that a client has received, and the texts before it.
    pub(super) fn close_and_texts(&mut self, id: ConnId) -> (u16, Vec<String>) {
        let client = self.clients.get_mut(&id).expect("it has connected");
        let (_, close) = client.frames.pop().expect("a close frame");
        let code = u16::from_be_bytes([close[0], close[1]]);
        (code, self.texts(id))
    }

    /// Sends a text message, and returns code and reason of the close frame that the client has
    /// received last.
    pub(super) fn close_of(&mut self, id: ConnId, text: &str) -> Option<(u16, String)> {
        self.send(id, text);
        self.closed(id)
    }

    /// Ends a connection with a closing handshake.
    pub(super) fn leave(&mut self, id: ConnId) {
        self.send_frame(id, CLOSE, &1_000_u16.to_be_bytes());
    }

    /// Lets the socket of a client take nothing from now on, or everything again.
    pub(super) fn set_stuck(&mut self, id: ConnId, is_stuck: bool) {
        let client = self.clients.get_mut(&id).expect("it has connected");
        client.is_stuck = is_stuck;
        if !is_stuck {
            let now = self.now;
            self.shard(id).handle_writable(now, id);
            self.turn();
        }
    }

    /// Lets time pass. What is due meanwhile is done at its time.
    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now.after(by);
        while let Some(next) = self.next.filter(|&next| next <= end) {
            self.now = self.now.max(next);
            for shard in &mut self.shards {
                shard.handle_timeout(self.now);
            }
            self.turn();
        }
        self.now = end;
    }

    /// Lets time pass until a client that waits for nothing else is pinged, and returns how long that
    /// took.
    pub(super) fn advance_to_ping(&mut self, id: ConnId) -> Duration {
        let step = Duration::from_millis(100);
        let mut waited = Duration::ZERO;
        while self.clients[&id].frames.is_empty() {
            self.advance(step);
            waited += step;
        }
        waited
    }

    /// Returns the counters of all shards.
    pub(super) fn stats(&self) -> GatewayStats {
        let mut sum = GatewayStats::default();
        for shard in &self.shards {
            sum.add(shard.handler().stats());
        }
        sum
    }

    /// Returns the application of each shard.
    pub(super) fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        self.shards.iter().map(Shard::handler)
    }

    /// Returns how often a message was encoded for a codec.
    pub(super) fn encodes(&self) -> u64 {
        let shards = self.shards.iter();
        shards
            .map(|shard| shard.stats().channels.codec_encoded)
            .sum()
    }

    fn send_frame(&mut self, id: ConnId, opcode: u8, payload: &[u8]) {
        let now = self.now;
        self.shard(id)
            .handle_input(now, id, &mut frame(opcode, payload));
        self.turn();
    }

    /// Does what the shards ask for, until all of them wait for time or input.
    fn turn(&mut self) {
        let mut is_idle = false;
        while !is_idle {
            is_idle = true;
            self.next = None;
            for place in 0..self.shards.len() {
                is_idle &= self.turn_of(place);
            }
        }
    }

    /// Does what a shard asks for. Returns whether it had nothing for the others.
    fn turn_of(&mut self, place: usize) -> bool {
        let mut is_idle = true;
        loop {
            match self.shards[place].poll_output() {
                Output::Flush(id) => self.write(id),
                Output::Send(to, message) => {
                    is_idle = false;
                    self.shards[to.index()].handle_message(self.now, message);
                }
                Output::Submit(id, task, _) => {
                    let outcome = task.run(stentor_core::id::WorkerId(7));
                    self.shards[place].handle_task(self.now, id, TaskEnd::Done(outcome));
                }
                // The client closes its side too.
                Output::Shut(id) => self.shards[place].handle_eof(self.now, id),
                Output::Disconnect(id) => {
                    self.gone.insert(id);
                }
                Output::Timeout(next) => {
                    let next = next.map(|(at, _)| at);
                    self.next = [self.next, next].into_iter().flatten().min();
                    return is_idle;
                }
                Output::StopReading(_)
                | Output::StartReading(_)
                | Output::LimitUnsent { .. }
                | Output::Event(_) => {}
                output => panic!("no pages, and nothing catches panics: {output:?}"),
            }
        }
    }

    /// Writes what waits for a client, which answers pings of WebSocket at once.
    fn write(&mut self, id: ConnId) {
        let now = self.now;
        let shard = &mut self.shards[id.shard().index()];
        let client = self.clients.get_mut(&id).expect("it has connected");
        let mut chunks = Chunks::new();
        shard.poll_transmit(id, &mut chunks);
        let len = if client.is_stuck { 0 } else { chunks.len() };
        client.bytes.extend(&chunks.as_slices().concat()[..len]);
        drop(chunks);
        shard.handle_transmitted(now, id, len);
        if client.head.is_none() {
            client.take_head();
        }
        while client.is_upgraded()
            && let Some((opcode, payload)) = client.take_frame()
        {
            if opcode == PING {
                let mut pong = frame(PONG, &payload);
                shard.handle_input(now, id, &mut pong);
            } else {
                client.frames.push((opcode, payload));
            }
        }
    }

    /// Takes what a client has received, all of which must be of this kind.
    fn receive(&mut self, id: ConnId, opcode: u8) -> Vec<Vec<u8>> {
        let client = self.clients.get_mut(&id).expect("it has connected");
        let payload_of = |(found, payload): (u8, Vec<u8>)| {
            let text = String::from_utf8_lossy(&payload).into_owned();
            assert_eq!(found, opcode, "another kind of frame: {text}");
            payload
        };
        client.frames.drain(..).map(payload_of).collect()
    }
}

impl Client {
    fn is_upgraded(&self) -> bool {
        self.head
            .as_ref()
            .is_some_and(|head| head.starts_with("HTTP/1.1 101"))
    }

    fn take_head(&mut self) {
        let end = self.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let Some(end) = end else { return };
        let head: Vec<_> = self.bytes.drain(..end + 4).collect();
        self.head = Some(String::from_utf8(head).expect("a head is text"));
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (payload_at, len) = match *self.bytes {
            [_, len @ ..=125, ..] => (2, usize::from(len)),
            [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            [_, 127, ..] => {
                let len = self.bytes.get(2..10)?.try_into().expect("eight bytes");
                (10, u64::from_be_bytes(len) as usize)
            }
            _ => return None,
        };
        let end = payload_at + len;
        if self.bytes.len() < end {
            return None;
        }
        let mut frame: Vec<_> = self.bytes.drain(..end).collect();
        assert_eq!(frame[0] & 0xF0, 0x80, "a frame of a whole message");
        let payload = frame.split_off(payload_at);
        Some((frame[0] & 0x0F, payload))
    }
}

/// Returns a frame of a client. It is masked with zeros, which leaves the payload as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
