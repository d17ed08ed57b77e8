//! Owns the client: its phases, and who in it does what. The rules of frames
//! are in `conn` and `sender`, those of the handshake in `handshake`.

use alloc::vec::Vec;
use core::ops::Range;

use crate::proto::client::config::ClientConfig;
use crate::proto::client::error::{Failure, ResponseError, SendError};
use crate::proto::client::event::Event;
use crate::proto::client::handshake::{Agreed, Offer};
use crate::proto::client::inbox::Inbox;
use crate::proto::client::keys::Keys;
use crate::proto::client::request::Request;
use crate::proto::client::response::Response;
use crate::proto::client::sender::Sender;
use crate::proto::http::Fields;
use crate::proto::ws;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::deflate::{Compressor, Params};
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::upgrade::encode_key;
use crate::proto::ws::{Connection, DecodeBuffers, Payload, Role, State};

/// A client from its request to its end.
///
/// Its memory has bounds: bytes received are limited as a server limits them, pongs
/// that wait are few, and what its owner sends is its owner's to bound, by
/// [`queued_bytes`](Self::queued_bytes).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    phase: Phase,
    conn: Connection,
    compressor: Compressor,
    inbox: Inbox,
    sender: Sender,
    agreed: Agreed,
    workspace: DecodeBuffers,
    /// The message that was put together last, which the caller may still look at.
    assembled: Vec<u8>,
    auto_pong: bool,
    eof: bool,
}

#[derive(Debug)]
enum Phase {
    /// The answer to the request is still to come.
    Head(Offer),
    Open,
    /// Nothing that comes means anything any more.
    Over,
}

/// An event before it is borrowed: places in the inbox.
enum Found {
    Opened,
    Refused(u16, Range<usize>),
    Message(MessageType, Option<Range<usize>>),
    Ping(Range<usize>),
    Pong(Range<usize>),
    Closed(Option<CloseCode>, Range<usize>),
    Failed(Failure),
    Lost,
}

impl Client {
    /// Returns a client whose request is ready to be written.
    ///
    /// The `seed` must come from the operating system's random numbers, and serve
    /// one client only. Whoever can guess it can foresee the masking keys,
    /// and choose what stands on the wire by choosing what is sent: that is how
    /// a script poisons the cache of a proxy that takes frames for requests
    /// (RFC 6455 §10.3).
    //= rfc6455#section-4.1 "When the client is to _Establish a WebSocket Connection_ given a..."
    // The connection is the caller's to open; the rest is done from here on.
    pub fn new(request: Request, config: ClientConfig, seed: [u8; 32]) -> Self {
        let mut keys = Keys::new(seed);
        //= rfc6455#section-4.1 "The value of this header field MUST be a nonce consisting of a..."
        //= rfc6455#section-4.1 "The nonce MUST be selected randomly for each connection."
        let key = encode_key(keys.nonce());
        Self {
            config,
            conn: Connection::new(Role::Client),
            compressor: Compressor::NONE,
            inbox: Inbox::new(config.head.bytes),
            //= rfc6455#section-4.1 "Once a connection to the server has been established..."
            sender: Sender::new(request.encode(&key), keys),
            phase: Phase::Head(Offer::new(request, &key)),
            agreed: Agreed::default(),
            workspace: DecodeBuffers::new(config.compression_level),
            assembled: Vec::new(),
            auto_pong: true,
            eof: false,
        }
    }

    /// Whether pings are answered as they come, as they are unless this says
    /// otherwise.
    pub const fn set_auto_pong(&mut self, on: bool) {
        self.auto_pong = on;
    }

    /// Where the next read goes. It is empty only as long as events wait to be polled.
    pub fn read_buffer(&mut self) -> &mut [u8] {
        self.inbox.room()
    }

    /// Takes `n` bytes that were read into [`read_buffer`](Self::read_buffer).
    pub fn handle_read(&mut self, n: usize) {
        if !matches!(self.phase, Phase::Over) {
            self.inbox.fill(n);
        }
    }

    /// Takes bytes that were read elsewhere; says how many there was room for.
    /// There is room for more once the events have been polled.
    pub fn handle_input(&mut self, input: &[u8]) -> usize {
        let room = self.read_buffer();
        let n = room.len().min(input.len());
        room[..n].copy_from_slice(&input[..n]);
        self.handle_read(n);
        n
    }

    /// Learns that nothing more will come.
    pub const fn handle_eof(&mut self) {
        self.eof = true;
    }

    /// What the bytes so far mean, one thing at a time; `None` if it takes more to tell.
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        self.workspace.give(core::mem::take(&mut self.assembled));
        let found = match &self.phase {
            Phase::Head(_) => self.poll_head(),
            Phase::Open => self.poll_frames(),
            Phase::Over => None,
        }?;
        Some(match found {
            Found::Opened => Event::Opened,
            Found::Refused(status, head) => Event::Refused {
                status,
                head: self.inbox.at(head),
            },
            Found::Message(kind, place) => Event::Message {
                kind,
                payload: match place {
                    Some(range) => self.inbox.at(range),
                    None => &self.assembled,
                },
            },
            Found::Ping(range) => Event::Ping(self.inbox.at(range)),
            Found::Pong(range) => Event::Pong(self.inbox.at(range)),
            Found::Closed(code, reason) => Event::Closed {
                code,
                reason: core::str::from_utf8(self.inbox.at(reason)).unwrap_or_default(),
            },
            Found::Failed(failure) => Event::Failed(failure),
            Found::Lost => Event::Lost,
        })
    }

    /// Queues a message, compressed if that was agreed on, it is as long as
    /// [`ClientConfig::compression_threshold`], and shorter for it.
    ///
    /// # Errors
    /// If nothing may be sent now, or not this; then nothing is.
    pub fn send(&mut self, kind: MessageType, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.check_message(kind, payload)?;
        if payload.len() < self.config.compression_threshold {
            self.sender.message(kind, payload, false);
            return Ok(());
        }
        let mut packed = self.workspace.buffers.take_for(payload.len());
        let parts = [payload, &[]];
        let compressed = self
            .compressor
            .deflate(&mut self.workspace, parts, &mut packed);
        let payload = if compressed { &packed } else { payload };
        self.sender.message(kind, payload, compressed);
        self.workspace.give(packed);
        Ok(())
    }

    /// Queues a piece of a message, never compressed: its beginning if none is under way, else
    /// more of it, and its end if it is the `last`. Text may be cut anywhere.
    ///
    /// # Errors
    /// As [`send`](Self::send); and [`SendError::InterruptedMessage`] if the
    /// message under way is of another kind.
    pub fn send_fragment(
        &mut self,
        kind: MessageType,
        payload: &[u8],
        last: bool,
    ) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.fragment(kind, payload, last)
    }

    /// Queues a ping, be it between fragments.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Ping, payload)
    }

    /// Queues a pong: to a ping that is not answered by itself, or unasked (§5.5.3).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Pong, payload)
    }

    /// Queues a close frame, behind all that waits; nothing more can be sent
    /// then, but what the server still says is told, to its close frame. How long to wait
    /// for that is the caller's to say. A reason is for people, at most 123 bytes, and
    /// goes out with a code only.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.close(code, reason)?;
        self.conn.handle_close_sent();
        Ok(())
    }

    /// What is to be written next; empty if nothing waits.
    pub fn poll_transmit(&self) -> &[u8] {
        self.sender.waiting()
    }

    /// Learns that `n` bytes of what [`poll_transmit`](Self::poll_transmit)
    /// gave are written.
    pub fn handle_transmitted(&mut self, n: usize) {
        self.sender.handle_transmitted(n);
    }

    /// How many bytes wait to be written.
    pub fn queued_bytes(&self) -> usize {
        self.sender.waiting().len()
    }

    /// Whether messages can be sent.
    pub const fn is_open(&self) -> bool {
        matches!((&self.phase, self.conn.state()), (Phase::Open, State::Open))
    }

    /// Whether the stream is to be closed: nothing more will come of it, and
    /// nothing waits to be written. After an [`Event::Closed`] the server
    /// closes first (§7.1.1); give it a while before doing so.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Over) && self.sender.waiting().is_empty()
    }

    /// The subprotocol that the server chose of those offered.
    pub fn subprotocol(&self) -> Option<&str> {
        self.agreed.subprotocol.as_deref()
    }

    /// What was agreed on of permessage-deflate, if it was.
    pub const fn deflate(&self) -> Option<&Params> {
        self.agreed.deflate.as_ref()
    }

    fn poll_head(&mut self) -> Option<Found> {
        let Phase::Head(offer) = &self.phase else {
            return None;
        };
        let (input, start) = self.inbox.rest();
        let mut fields = Fields::new();
        let failed = |error| (Found::Failed(Failure::Response(error)), None);
        let (found, agreed) = match Response::parse(input, &mut fields, self.config.head) {
            Ok(None) if self.eof => failed(ResponseError::Truncated),
            Ok(None) => return None,
            Ok(Some((response, len))) if response.status() != 101 => {
                (Found::Refused(response.status(), start..start + len), None)
            }
            Ok(Some((response, len))) => match offer.check(&response) {
                Ok(agreed) => (Found::Opened, Some((agreed, len))),
                Err(error) => failed(error),
            },
            Err(error) => failed(error),
        };
        if let Some((agreed, len)) = agreed {
            //= rfc6455#section-9.1 "Note that the client is only offering to use any advertised..."
            if let Some(params) = &agreed.deflate {
                let level = self.config.compression_level;
                self.conn = Connection::with_deflate(Role::Client, params);
                self.compressor = Compressor::new(Role::Client, params, level);
            }
            self.agreed = agreed;
            self.phase = Phase::Open;
            self.inbox.consume(len);
        } else {
            // Whatever of the request is not written needs not be.
            self.sender.discard();
            self.end();
        }
        Some(found)
    }

    fn poll_frames(&mut self) -> Option<Found> {
        let may_close = self.conn.state().may_send_close();
        let (input, start) = self.inbox.rest();
        let limits = self.config.message;
        let step = match self.conn.poll_event(input, limits, &mut self.workspace) {
            Ok(step) => step,
            Err(error) => {
                if may_close {
                    self.send_close(Some(error.close_code()));
                }
                self.end();
                return Some(Found::Failed(Failure::Peer(error)));
            }
        };
        self.inbox.consume(step.consumed);
        let within = |range: Range<usize>| start + range.start..start + range.end;
        match step.event {
            //= rfc6455#section-7.2.1 "If at any point the underlying transport layer connection..."
            None if self.eof => {
                self.conn.handle_failure(&mut self.workspace);
                self.sender.discard();
                self.end();
                Some(Found::Lost)
            }
            None => None,
            Some(ws::Event::Message { kind, payload }) => Some(Found::Message(
                kind,
                match payload {
                    Payload::InPlace(range) => Some(within(range)),
                    Payload::Assembled => {
                        self.assembled = self.workspace.take_message();
                        None
                    }
                },
            )),
            Some(ws::Event::Ping(range)) => {
                let range = within(range);
                //= rfc6455#section-5.5.2 "Upon receipt of a Ping frame, an endpoint MUST send a..."
                if self.auto_pong && self.conn.state() == State::Open {
                    self.sender.answer_ping(self.inbox.at(range.clone()));
                }
                Some(Found::Ping(range))
            }
            Some(ws::Event::Pong(range)) => Some(Found::Pong(within(range))),
            Some(ws::Event::Close(code, reason)) => {
                //= rfc6455#section-5.5.1 "If an endpoint receives a Close frame and did not..."
                if may_close {
                    self.send_close(code);
                    self.conn.handle_close_sent();
                }
                self.end();
                Some(Found::Closed(code, within(reason)))
            }
        }
    }

    fn send_close(&mut self, code: Option<CloseCode>) {
        let sent = self.sender.close(code, "");
        debug_assert_eq!(sent, Ok(()), "a code alone fits");
    }

    /// Nothing that comes counts any more.
    fn end(&mut self) {
        self.phase = Phase::Over;
        self.inbox.clear();
    }

    const fn check_open(&self) -> Result<(), SendError> {
        match &self.phase {
            //= rfc6455#section-4.1 "Once the client's opening handshake has been sent, the..."
            Phase::Head(_) => Err(SendError::NotOpen),
            Phase::Open if matches!(self.conn.state(), State::Open) => Ok(()),
            Phase::Open | Phase::Over => Err(SendError::Closing),
        }
    }
}
