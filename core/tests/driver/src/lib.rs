//! Server of one shard that is driven in memory, for the programs of `docs/examples.md`. Has no
//! sockets and no clock: clients are buffers, and time advances when the program says so.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::stats::Stats;
use stentor_core::{Config, ConnId, Handler, Output, Shard, ShardId, TaskEnd, Timestamp};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A server and its clients. A client is named by its [`ConnId`], also after its connection has
/// ended.
pub struct Server<H: Handler> {
    shard: Shard<H>,
    now: Timestamp,
    /// When the shard wants to be called next.
    next: Option<Timestamp>,
    clients: HashMap<ConnId, Client>,
    tasks: VecDeque<(ConnId, H::Task)>,
}

/// What the server has written to a client.
#[derive(Default)]
struct Client {
    /// The status of the response, once its head is complete.
    status: Option<u16>,
    /// What is incomplete: the head, then a frame; or the content of a refusal.
    bytes: Vec<u8>,
    /// Opcode and payload of each frame, but for pings.
    frames: Vec<(u8, Vec<u8>)>,
}

impl<H: Handler> std::fmt::Debug for Server<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl<H: Handler> Server<H> {
    /// Returns a server with the default configuration.
    ///
    /// # Panics
    /// Never: the defaults are in range.
    pub fn new(handler: H) -> Self {
        let config = Config::builder().build().expect("defaults are in range");
        Self {
            shard: Shard::new(ShardId(0), &config, handler),
            now: Timestamp::ORIGIN,
            next: None,
            clients: HashMap::new(),
            tasks: VecDeque::new(),
        }
    }

    /// Connects a client and sends its opening handshake for this target.
    pub fn connect(&mut self, target: &str) -> ConnId {
        self.connect_with(target, "192.0.2.1", &[])
    }

    /// Connects a client from this IP address, and sends its opening handshake with these field
    /// lines added.
    ///
    /// # Panics
    /// If the address is none.
    pub fn connect_with(&mut self, target: &str, peer: &str, fields: &[&str]) -> ConnId {
        let handshake = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        self.get(target, peer, &[&handshake, fields].concat())
    }

    /// Connects a client from this IP address, and sends a request that is no handshake, unless
    /// its field lines make it one.
    ///
    /// # Panics
    /// If the address is none.
    pub fn get(&mut self, target: &str, peer: &str, fields: &[&str]) -> ConnId {
        let peer: IpAddr = peer.parse().expect("an IP address");
        let peer = SocketAddr::new(peer, 49152);
        let id = self.shard.accept_from(self.now, Admission::Normal, peer);
        self.clients.insert(id, Client::default());
        let line = format!("GET {target} HTTP/1.1");
        let head = [&[&line, "Host: localhost"], fields, &["", ""]].concat();
        let mut request = head.join("\r\n").into_bytes();
        self.shard.handle_input(self.now, id, &mut request);
        self.turn();
        id
    }

    /// Returns the status of the response to a client's handshake, 101 if it was upgraded; `None`
    /// if there is no response yet.
    pub fn status(&self, id: ConnId) -> Option<u16> {
        self.clients[&id].status
    }

    /// Sends a text message from a client.
    pub fn send(&mut self, id: ConnId, text: &str) {
        self.send_frame(id, TEXT, text.as_bytes());
    }

    /// Sends a binary message from a client.
    pub fn send_binary(&mut self, id: ConnId, payload: &[u8]) {
        self.send_frame(id, BINARY, payload);
    }

    /// Returns the text messages that a client has received since the last call.
    ///
    /// # Panics
    /// If it has received anything else.
    pub fn texts(&mut self, id: ConnId) -> Vec<String> {
        let texts = self.receive(id, TEXT).into_iter();
        texts
            .map(|text| String::from_utf8(text).expect("text is UTF-8"))
            .collect()
    }

    /// Returns the binary messages that a client has received since the last call.
    ///
    /// # Panics
    /// If it has received anything else.
    pub fn binaries(&mut self, id: ConnId) -> Vec<Vec<u8>> {
        self.receive(id, BINARY)
    }

    /// Returns the code of the close frame that a client has received, and answers it as clients
    /// do; `None` if it has received nothing.
    ///
    /// # Panics
    /// If it has received anything else.
    pub fn closed(&mut self, id: ConnId) -> Option<u16> {
        let payload = self.receive(id, CLOSE).pop()?;
        self.send_frame(id, CLOSE, &payload);
        let code = payload.first_chunk().expect("a code");
        Some(u16::from_be_bytes(*code))
    }

    /// Ends a client's connection with a closing handshake.
    pub fn leave(&mut self, id: ConnId) {
        self.send_frame(id, CLOSE, &1000_u16.to_be_bytes());
    }

    /// Runs the tasks that have been submitted. What `worker` returns is the end of a task.
    pub fn run_tasks(&mut self, mut worker: impl FnMut(H::Task) -> TaskEnd<H>) {
        while let Some((id, task)) = self.tasks.pop_front() {
            self.shard.handle_task(self.now, id, worker(task));
            self.turn();
        }
    }

    /// Lets time pass. Whatever is due meanwhile is done at its time.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now.after(by);
        while let Some(next) = self.next.filter(|&next| next <= end) {
            self.now = self.now.max(next);
            self.shard.handle_timeout(self.now);
            self.turn();
        }
        self.now = end;
    }

    /// Returns the counters of the shard.
    pub fn stats(&self) -> Stats {
        self.shard.stats()
    }

    /// Hands in a frame of a client, and does what follows from it.
    fn send_frame(&mut self, id: ConnId, opcode: u8, payload: &[u8]) {
        self.shard
            .handle_input(self.now, id, &mut frame(opcode, payload));
        self.turn();
    }

    /// Does what the shard asks for, until it waits for time or input.
    fn turn(&mut self) {
        loop {
            match self.shard.poll_output() {
                Output::Flush(id) => self.write(id),
                Output::Submit(id, task, _) => self.tasks.push_back((id, task)),
                // The client closes its side too.
                Output::Shut(id) => self.shard.handle_eof(self.now, id),
                Output::Timeout(next) => {
                    self.next = next.map(|(at, _)| at);
                    return;
                }
                Output::StopReading(_)
                | Output::StartReading(_)
                | Output::LimitUnsent { .. }
                | Output::Disconnect(_)
                | Output::Event(_) => {}
                Output::Send(..) | Output::Page { .. } | Output::Abort => {
                    unreachable!("one shard, no pages, and nothing catches panics")
                }
            }
        }
    }

    /// Writes all that waits for a client, which answers pings at once.
    fn write(&mut self, id: ConnId) {
        let mut chunks = Chunks::new();
        self.shard.poll_transmit(id, &mut chunks);
        let len = chunks.len();
        let client = self.clients.get_mut(&id).expect("it has connected");
        client.bytes.extend(chunks.as_slices().concat());
        drop(chunks);
        self.shard.handle_transmitted(self.now, id, len);
        if client.status.is_none() {
            client.take_head();
        }
        while client.status == Some(101)
            && let Some((opcode, payload)) = client.take_frame()
        {
            if opcode == PING {
                let mut pong = frame(PONG, &payload);
                self.shard.handle_input(self.now, id, &mut pong);
            } else {
                client.frames.push((opcode, payload));
            }
        }
    }

    /// Takes what a client has received, all of which must be of this kind.
    fn receive(&mut self, id: ConnId, opcode: u8) -> Vec<Vec<u8>> {
        let client = self.clients.get_mut(&id).expect("it has connected");
        assert_eq!(client.status, Some(101), "{id:?} is not upgraded");
        let payload_of = |(found, payload)| {
            assert_eq!(found, opcode, "another kind of frame: {payload:?}");
            payload
        };
        client.frames.drain(..).map(payload_of).collect()
    }
}

impl Client {
    /// Takes the head of the response, if it is complete.
    fn take_head(&mut self) {
        let end = self.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let Some(end) = end else { return };
        let head: Vec<_> = self.bytes.drain(..end + 4).collect();
        let status = str::from_utf8(&head[9..12]).expect("a status line");
        self.status = Some(status.parse().expect("three digits"));
    }

    /// Takes a frame, if one is complete, and returns its opcode and its payload.
    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (payload_at, len) = match *self.bytes {
            [_, len @ ..126, ..] => (2, u16::from(len)),
            [_, 126, high, low, ..] => (4, u16::from_be_bytes([high, low])),
            _ => return None,
        };
        let end = payload_at + usize::from(len);
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
    let len = u16::try_from(payload.len()).expect("a short payload");
    let [high, low] = len.to_be_bytes();
    let mut frame = vec![0x80 | opcode];
    match len {
        ..126 => frame.push(0x80 | low),
        _ => frame.extend([0x80 | 126, high, low]),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
