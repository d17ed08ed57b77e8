//! State machine of a client, from its request to the end of the connection.

use alloc::vec::Vec;
use core::ops::Range;

use crate::proto::client::config::ClientConfig;
use crate::proto::client::error::{ClientError, ResponseError, SendError};
use crate::proto::client::event::ClientEvent;
use crate::proto::client::handshake::{Agreed, Offer};
use crate::proto::client::read_buffer::ReadBuffer;
use crate::proto::client::request::ClientRequest;
use crate::proto::client::response::Response;
use crate::proto::client::rng::ClientRng;
use crate::proto::client::sender::Sender;
use crate::proto::http::Fields;
use crate::proto::ws;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::deflate::{Compressor, Params};
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::upgrade::encode_key;
use crate::proto::ws::{CloseState, Connection, DecodeBuffers, Payload, Role};

/// A client from its request to the end of the connection.
///
/// Its memory is bounded: received bytes have the limits of [`ClientConfig`], and at most 16 pongs
/// are queued. Messages to send are bounded by the caller, with
/// [`queued_bytes`](Self::queued_bytes).
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    phase: ClientPhase,
    conn: Connection,
    compressor: Compressor,
    input: ReadBuffer,
    sender: Sender,
    agreed: Agreed,
    decode_buffers: DecodeBuffers,
    /// The last assembled message, which the caller may still read.
    assembled: Vec<u8>,
    auto_pong: bool,
    eof: bool,
}

#[derive(Debug)]
enum ClientPhase {
    /// The response has not arrived.
    Handshake(Offer),
    Open,
    /// Received bytes are ignored.
    Closed,
}

/// An event with positions in the read buffer, before it borrows.
enum RawEvent {
    Opened,
    Refused(u16, Range<usize>),
    Message(MessageType, Option<Range<usize>>),
    Ping(Range<usize>),
    Pong(Range<usize>),
    Closed(Option<CloseCode>, Range<usize>),
    Failed(ClientError),
    Lost,
}

impl Client {
    /// Returns a client whose request is ready to be written.
    ///
    /// The `seed` must consist of random bytes of the operating system and be used for one client
    /// only. With a predictable seed the masking keys are predictable, and a script that chooses
    /// the sent data also chooses the bytes on the wire: it can poison the cache of a proxy that
    /// takes frames for requests (RFC 6455 §10.3).
    //= rfc6455#section-4.1 "When the client is to _Establish a WebSocket Connection_ given a..."
    // The caller opens the connection; the other steps begin here.
    pub fn new(request: ClientRequest, config: ClientConfig, seed: [u8; 32]) -> Self {
        let mut rng = ClientRng::new(seed);
        //= rfc6455#section-4.1 "The value of this header field MUST be a nonce consisting of a..."
        //= rfc6455#section-4.1 "The nonce MUST be selected randomly for each connection."
        let key = encode_key(rng.nonce());
        Self {
            config,
            conn: Connection::new(Role::Client),
            compressor: Compressor::NONE,
            input: ReadBuffer::new(config.head.bytes),
            //= rfc6455#section-4.1 "Once a connection to the server has been established..."
            sender: Sender::new(request.encode(&key), rng),
            phase: ClientPhase::Handshake(Offer::new(request, &key)),
            agreed: Agreed::default(),
            decode_buffers: DecodeBuffers::new(config.compression_level),
            assembled: Vec::new(),
            auto_pong: true,
            eof: false,
        }
    }

    /// Sets whether pings are answered automatically. The default is on.
    pub const fn set_auto_pong(&mut self, on: bool) {
        self.auto_pong = on;
    }

    /// Returns the space for the next read. It is empty only while events are not polled.
    pub fn read_buffer(&mut self) -> &mut [u8] {
        self.input.free_space()
    }

    /// Handles `n` bytes that were read into [`read_buffer`](Self::read_buffer).
    pub fn handle_read(&mut self, n: usize) {
        if !matches!(self.phase, ClientPhase::Closed) {
            self.input.advance(n);
        }
    }

    /// Handles bytes that were read elsewhere, and returns how many fit. There is space for more
    /// after the events have been polled.
    pub fn handle_input(&mut self, input: &[u8]) -> usize {
        let room = self.read_buffer();
        let n = room.len().min(input.len());
        room[..n].copy_from_slice(&input[..n]);
        self.handle_read(n);
        n
    }

    /// Handles the end of the stream.
    pub const fn handle_eof(&mut self) {
        self.eof = true;
    }

    /// Returns the next event in the received bytes; `None` if more bytes are needed.
    pub fn poll_event(&mut self) -> Option<ClientEvent<'_>> {
        self.decode_buffers
            .give(core::mem::take(&mut self.assembled));
        let event = match &self.phase {
            ClientPhase::Handshake(_) => self.poll_response(),
            ClientPhase::Open => self.poll_frames(),
            ClientPhase::Closed => None,
        }?;
        Some(match event {
            RawEvent::Opened => ClientEvent::Opened,
            RawEvent::Refused(status, head) => ClientEvent::Refused {
                status,
                head: self.input.get(head),
            },
            RawEvent::Message(kind, range) => ClientEvent::Message {
                kind,
                payload: match range {
                    Some(range) => self.input.get(range),
                    None => &self.assembled,
                },
            },
            RawEvent::Ping(range) => ClientEvent::Ping(self.input.get(range)),
            RawEvent::Pong(range) => ClientEvent::Pong(self.input.get(range)),
            RawEvent::Closed(code, reason) => ClientEvent::Closed {
                code,
                reason: core::str::from_utf8(self.input.get(reason)).unwrap_or_default(),
            },
            RawEvent::Failed(failure) => ClientEvent::Failed(failure),
            RawEvent::Lost => ClientEvent::Lost,
        })
    }

    /// Queues a message. It is compressed if compression was agreed on, the message has at least
    /// [`ClientConfig::compression_threshold`] bytes, and compression shortens it.
    ///
    /// # Errors
    /// Returns an error, and queues nothing, if the message cannot be sent now or is invalid.
    pub fn send(&mut self, kind: MessageType, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.check_message(kind, payload)?;
        if payload.len() < self.config.compression_threshold {
            self.sender.message(kind, payload, false);
            return Ok(());
        }
        let mut compressed_payload = self.decode_buffers.buffers.take_for(payload.len());
        let parts = [payload, &[]];
        let compressed =
            self.compressor
                .deflate(&mut self.decode_buffers, parts, &mut compressed_payload);
        let payload = if compressed {
            &compressed_payload
        } else {
            payload
        };
        self.sender.message(kind, payload, compressed);
        self.decode_buffers.give(compressed_payload);
        Ok(())
    }

    /// Queues a fragment of a message, uncompressed. The first fragment begins the message, and the
    /// `last` one ends it. Text may be split at any byte.
    ///
    /// # Errors
    /// As [`send`](Self::send); and [`SendError::InterruptedMessage`] if the current message has
    /// another type.
    pub fn send_fragment(
        &mut self,
        kind: MessageType,
        payload: &[u8],
        last: bool,
    ) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.fragment(kind, payload, last)
    }

    /// Queues a ping, also between fragments.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Ping, payload)
    }

    /// Queues a pong: in response to a ping if automatic pongs are off, or unsolicited (§5.5.3).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Pong, payload)
    }

    /// Queues a close frame behind all queued frames. Nothing can be sent after it; events continue
    /// until the server's close frame. The caller sets the time limit for that. A reason has at
    /// most 123 bytes and is sent only with a code.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.close(code, reason)?;
        self.conn.handle_close_sent();
        Ok(())
    }

    /// Returns the bytes to write next; empty if there are none.
    pub fn poll_transmit(&self) -> &[u8] {
        self.sender.unwritten()
    }

    /// Handles that `n` bytes of [`poll_transmit`](Self::poll_transmit) were written.
    pub fn handle_transmitted(&mut self, n: usize) {
        self.sender.handle_transmitted(n);
    }

    /// Returns the number of bytes to write.
    pub fn queued_bytes(&self) -> usize {
        self.sender.unwritten().len()
    }

    /// Returns whether messages can be sent.
    pub const fn is_open(&self) -> bool {
        matches!(
            (&self.phase, self.conn.state()),
            (ClientPhase::Open, CloseState::Open)
        )
    }

    /// Returns whether the stream is to be closed: no event follows and no bytes are to be written.
    /// After an [`ClientEvent::Closed`] the server closes first (§7.1.1); wait for that for a limited
    /// time.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, ClientPhase::Closed) && self.sender.unwritten().is_empty()
    }

    /// Returns the subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.agreed.subprotocol.as_deref()
    }

    /// Returns the agreed parameters of permessage-deflate, if there are any.
    pub const fn deflate(&self) -> Option<&Params> {
        self.agreed.deflate.as_ref()
    }

    fn poll_response(&mut self) -> Option<RawEvent> {
        let ClientPhase::Handshake(offer) = &self.phase else {
            return None;
        };
        let (input, start) = self.input.unprocessed();
        let mut fields = Fields::new();
        let failed = |error| (RawEvent::Failed(ClientError::Response(error)), None);
        let (event, agreed) = match Response::parse(input, &mut fields, self.config.head) {
            Ok(None) if self.eof => failed(ResponseError::Truncated),
            Ok(None) => return None,
            Ok(Some((response, len))) if response.status() != 101 => (
                RawEvent::Refused(response.status(), start..start + len),
                None,
            ),
            Ok(Some((response, len))) => match offer.check(&response) {
                Ok(agreed) => (RawEvent::Opened, Some((agreed, len))),
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
            self.phase = ClientPhase::Open;
            self.input.consume(len);
        } else {
            // The rest of the request need not be written.
            self.sender.discard();
            self.end();
        }
        Some(event)
    }

    fn poll_frames(&mut self) -> Option<RawEvent> {
        let may_close = self.conn.state().may_send_close();
        let (input, start) = self.input.unprocessed();
        let limits = self.config.message;
        let step = match self
            .conn
            .poll_event(input, limits, &mut self.decode_buffers)
        {
            Ok(step) => step,
            Err(error) => {
                if may_close {
                    self.send_close(Some(error.close_code()));
                }
                self.end();
                return Some(RawEvent::Failed(ClientError::Peer(error)));
            }
        };
        self.input.consume(step.consumed);
        let within = |range: Range<usize>| start + range.start..start + range.end;
        match step.event {
            //= rfc6455#section-7.2.1 "If at any point the underlying transport layer connection..."
            None if self.eof => {
                self.conn.handle_failure(&mut self.decode_buffers);
                self.sender.discard();
                self.end();
                Some(RawEvent::Lost)
            }
            None => None,
            Some(ws::ConnectionEvent::Message { kind, payload }) => Some(RawEvent::Message(
                kind,
                match payload {
                    Payload::InPlace(range) => Some(within(range)),
                    Payload::Assembled => {
                        self.assembled = self.decode_buffers.take_message();
                        None
                    }
                },
            )),
            Some(ws::ConnectionEvent::Ping(range)) => {
                let range = within(range);
                //= rfc6455#section-5.5.2 "Upon receipt of a Ping frame, an endpoint MUST send a..."
                if self.auto_pong && self.conn.state() == CloseState::Open {
                    self.sender.queue_pong(self.input.get(range.clone()));
                }
                Some(RawEvent::Ping(range))
            }
            Some(ws::ConnectionEvent::Pong(range)) => Some(RawEvent::Pong(within(range))),
            Some(ws::ConnectionEvent::Close(code, reason)) => {
                //= rfc6455#section-5.5.1 "If an endpoint receives a Close frame and did not..."
                if may_close {
                    self.send_close(code);
                    self.conn.handle_close_sent();
                }
                self.end();
                Some(RawEvent::Closed(code, within(reason)))
            }
        }
    }

    fn send_close(&mut self, code: Option<CloseCode>) {
        let sent = self.sender.close(code, "");
        debug_assert_eq!(sent, Ok(()), "a code alone fits");
    }

    /// Ends the connection: received bytes are ignored from here on.
    fn end(&mut self) {
        self.phase = ClientPhase::Closed;
        self.input.clear();
    }

    const fn check_open(&self) -> Result<(), SendError> {
        match &self.phase {
            //= rfc6455#section-4.1 "Once the client's opening handshake has been sent, the..."
            ClientPhase::Handshake(_) => Err(SendError::NotOpen),
            ClientPhase::Open if matches!(self.conn.state(), CloseState::Open) => Ok(()),
            ClientPhase::Open | ClientPhase::Closed => Err(SendError::Closing),
        }
    }
}
