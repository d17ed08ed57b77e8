//! Simulated client: the bytes that it sends, and what it has received.

use stentor_core::MessageType;
use stentor_core::testing::conn::{
    Connection, ConnectionEvent, DecodeBuffers, MessageLimits, Payload, Role,
};
use stentor_core::testing::deflate::{Compressor, Params};
use stentor_core::testing::handshake::Extension;
use stentor_core::testing::wire::{Header, Opcode, close, mask};

/// How a client reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadPattern {
    /// All there is, at once.
    Eager,
    /// So many bytes every so many microseconds.
    Slow {
        /// Bytes at a time.
        bytes: usize,
        /// Microseconds from one time to the next.
        every: u64,
    },
    /// Not at all.
    Stuck,
}

/// Something a client heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// The status of the answer to its request.
    Head(u16),
    /// A message.
    Message(MessageType, Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame, with its code.
    Close(Option<u16>),
    /// The server has shut its side.
    Eof,
}

/// A client: a program that speaks WebSocket.
#[derive(Debug)]
pub struct SimClient {
    /// What it has heard, in order.
    pub heard: Vec<Incoming>,
    /// What it read after an answer other than 101.
    pub body: Vec<u8>,
    /// How it reads.
    pub reader: ReadPattern,
    /// Whether it answers pings.
    pub pongs: bool,
    /// Whether it answers a close frame, and then shuts its side.
    pub closes: bool,
    /// Whether it shuts its side when the server has shut its own.
    pub follows: bool,
    /// Bytes it wants to write.
    pub(super) outbox: Vec<u8>,
    /// It shuts its side when all that is written.
    pub(super) wants_shut: bool,
    pub(super) next_read: u64,
    /// What it has offered.
    pub(super) offer: Option<Params>,
    inbox: Vec<u8>,
    /// The status of the answer to its request, once that is there.
    status: Option<u16>,
    is_over: bool,
    conn: Connection,
    compressor: Compressor,
    workspace: DecodeBuffers,
    keys: u32,
    said_close: bool,
}

impl SimClient {
    pub(super) fn new(keys: u32) -> Self {
        Self {
            heard: Vec::new(),
            body: Vec::new(),
            reader: ReadPattern::Eager,
            pongs: true,
            closes: true,
            follows: true,
            outbox: Vec::new(),
            wants_shut: false,
            next_read: 0,
            offer: None,
            inbox: Vec::new(),
            status: None,
            is_over: false,
            conn: Connection::new(Role::Client),
            compressor: Compressor::NONE,
            workspace: DecodeBuffers::default(),
            keys,
            said_close: false,
        }
    }

    /// Returns the messages it has heard, in order.
    pub fn messages(&self) -> impl Iterator<Item = (MessageType, &[u8])> {
        self.heard.iter().filter_map(|heard| match heard {
            Incoming::Message(kind, payload) => Some((*kind, &payload[..])),
            _ => None,
        })
    }

    /// Returns the text of the messages it has heard.
    pub fn texts(&self) -> Vec<String> {
        self.messages()
            .map(|(_, payload)| String::from_utf8_lossy(payload).into_owned())
            .collect()
    }

    /// Returns the code of the close frame it has heard, if it has heard one.
    pub fn close_code(&self) -> Option<Option<u16>> {
        self.heard.iter().find_map(|heard| match heard {
            Incoming::Close(code) => Some(*code),
            _ => None,
        })
    }

    /// Returns whether it has heard the end of the server's bytes.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns whether it was upgraded.
    pub fn is_upgraded(&self) -> bool {
        self.status == Some(101)
    }

    /// Returns a masked frame, each with a key of its own.
    pub fn frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
        self.keys = self.keys.wrapping_mul(0x9E37_79B1).wrapping_add(1);
        masked(opcode, fin, self.keys.to_be_bytes(), payload)
    }

    /// Returns a message in one frame, compressed if that was agreed on and shortens it.
    pub(super) fn message(&mut self, kind: MessageType, payload: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        let parts = [payload, &[]];
        if !self
            .compressor
            .deflate(&mut self.workspace, parts, &mut packed)
        {
            return self.frame(kind.opcode(), true, payload);
        }
        let mut frame = self.frame(kind.opcode(), true, &packed);
        frame[0] |= 0x40;
        frame
    }

    /// Returns whether permessage-deflate was agreed on.
    pub fn is_compressed(&self) -> bool {
        self.compressor.window_bits() > 0
    }

    /// Takes bytes of the server's.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        if self.status.is_none() && !self.take_head() {
            return;
        }
        if !self.is_upgraded() {
            self.body.append(&mut self.inbox);
            return;
        }
        let mut at = 0;
        let limits = MessageLimits {
            bytes: usize::MAX,
            empty_fragments: u32::MAX,
        };
        let mut inbox = core::mem::take(&mut self.inbox);
        while self.conn.state().may_receive() {
            let step = self
                .conn
                .poll_event(&mut inbox[at..], limits, &mut self.workspace)
                .expect("a server keeps to the protocol");
            let start = at;
            at += step.consumed;
            let Some(event) = step.event else { break };
            let heard = match event {
                ConnectionEvent::Message {
                    kind,
                    payload: Payload::InPlace(range),
                } => Incoming::Message(kind, inbox[start..][range].to_vec()),
                ConnectionEvent::Message {
                    kind,
                    payload: Payload::Assembled,
                } => Incoming::Message(kind, self.workspace.take_message()),
                ConnectionEvent::Ping(range) => {
                    let payload = inbox[start..][range].to_vec();
                    if self.pongs && !self.said_close {
                        let pong = self.frame(Opcode::Pong, true, &payload);
                        self.outbox.extend(pong);
                    }
                    Incoming::Ping(payload)
                }
                ConnectionEvent::Pong(range) => Incoming::Pong(inbox[start..][range].to_vec()),
                ConnectionEvent::Close(code, _) => {
                    let code = code.map(|code| code.get());
                    if self.closes {
                        if !self.said_close {
                            self.close(code);
                        }
                        self.wants_shut = true;
                    }
                    Incoming::Close(code)
                }
                other => unreachable!("a new event: {other:?}"),
            };
            self.heard.push(heard);
        }
        assert!(
            self.conn.state().may_receive() || at == inbox.len(),
            "nothing follows a close frame"
        );
        inbox.drain(..at);
        self.inbox = inbox;
    }

    pub(super) fn take_eof(&mut self) {
        if !self.is_over {
            self.is_over = true;
            self.heard.push(Incoming::Eof);
            self.forget();
            self.wants_shut |= self.follows;
        }
    }

    /// Nothing more is read or written: gives back what that takes.
    pub(super) fn forget(&mut self) {
        self.inbox = Vec::new();
        self.conn = Connection::new(Role::Client);
        self.workspace = DecodeBuffers::default();
    }

    /// Writes a close frame.
    pub(super) fn close(&mut self, code: Option<u16>) {
        self.said_close = true;
        let payload = code.map(u16::to_be_bytes);
        let payload = payload.as_ref().map_or(&[][..], |code| code);
        debug_assert!(close::parse(payload).is_ok());
        let frame = self.frame(Opcode::Close, true, payload);
        self.outbox.extend(frame);
    }

    fn take_head(&mut self) -> bool {
        let Some(end) = self.inbox.windows(4).position(|four| four == b"\r\n\r\n") else {
            return false;
        };
        let status = core::str::from_utf8(&self.inbox[9..12])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .expect("an HTTP status line");
        self.heard.push(Incoming::Head(status));
        self.status = Some(status);
        let head = &self.inbox[..end];
        let mut answers = head.split(|&b| b == b'\n').filter_map(|line| {
            line.trim_ascii()
                .strip_prefix(b"Sec-WebSocket-Extensions: ")
        });
        if let Some(answer) = answers.next() {
            let mut list = Extension::parse_list(answer);
            let answer = list.next().and_then(Result::ok).expect("an extension");
            let offer = self.offer.expect("only what was offered is answered");
            let agreed = offer.parse_answer(&answer).expect("an answer to the offer");
            self.conn = Connection::with_deflate(Role::Client, &agreed);
            self.compressor = Compressor::new(Role::Client, &agreed, 6);
        }
        self.inbox.drain(..end + 4);
        true
    }
}

/// Returns a masked frame with this key.
pub fn masked(opcode: Opcode, fin: bool, key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let (header, n) = Header {
        fin,
        rsv: 0,
        opcode,
        mask: Some(key),
        payload_len: payload.len() as u64,
    }
    .encode();
    let mut out = header[..n].to_vec();
    out.extend_from_slice(payload);
    mask::apply(&mut out[n..], key, 0);
    out
}

/// Returns the request of a client that offers permessage-deflate.
pub(super) fn offering(offer: &Params) -> Vec<u8> {
    let mut request = REQUEST[..REQUEST.len() - 2].to_vec();
    request.extend_from_slice(b"Sec-WebSocket-Extensions: ");
    offer.write_offer(&mut request);
    request.extend_from_slice(b"\r\n\r\n");
    request
}

/// The request of a WebSocket client.
pub const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
