//! Decoder of one peer's frames into messages: fragmentation (RFC 6455 §5.4), UTF-8 across frames
//! (§8.1), compression (RFC 7692) and limits (§10.4).

use alloc::boxed::Box;
use core::ops::Range;

use crate::proto::ws::assembler::MessageAssembler;
use crate::proto::ws::decode_buffers::DecodeBuffers;
use crate::proto::ws::deflate;
use crate::proto::ws::deflate::{Contexts, Params};
use crate::proto::ws::event::{ConnectionEvent, Payload, Step};
use crate::proto::ws::header::{Header, RSV1};
use crate::proto::ws::message_limits::MessageLimits;
use crate::proto::ws::min_rate::ReceiveProgress;
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::peer_error::PeerError;
use crate::proto::ws::state::{CloseState, Role};
use crate::proto::ws::{close, mask, utf8};

/// The state machine of one peer, from the end of its handshake on.
///
/// Call [`poll_event`](Self::poll_event) with the received bytes until it returns no event, and
/// keep the bytes that it did not consume for the next call. A whole message in the input is
/// unmasked in place and not copied. A fragmented or compressed message is assembled in a borrowed
/// buffer that grows with the bytes received, never with an announced length.
#[derive(Debug)]
pub struct Connection {
    /// The incomplete message, if there is one.
    assembler: Option<Box<MessageAssembler>>,
    /// The decompressor, if the connection has its own.
    contexts: Contexts,
    /// Whether the peer may compress.
    inflates: bool,
    role: Role,
    state: CloseState,
    /// Bytes of a message at most, whatever others may have.
    max_message: u32,
}

const _: () = assert!(size_of::<Connection>() <= 24);

impl Connection {
    /// Returns a connection whose handshake is done.
    pub const fn new(role: Role) -> Self {
        Self {
            assembler: None,
            contexts: Contexts::NONE,
            inflates: false,
            role,
            state: CloseState::Open,
            max_message: u32::MAX,
        }
    }

    /// Sets a limit of its own, in bytes of a message, at most 1 GiB.
    #[must_use]
    pub(crate) const fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes as u32;
        self
    }

    /// Returns the limit of its own.
    #[inline]
    pub(crate) const fn max_message(&self) -> usize {
        self.max_message as usize
    }

    /// Returns a connection whose handshake is done and which has agreed on permessage-deflate. A
    /// [`Compressor`](crate::proto::ws::deflate::Compressor) compresses what this end sends.
    //= rfc6455#section-5.8 "The endpoints of a connection MUST negotiate the use of any..."
    //= rfc7692#section-5 "If a server responds with a valid PMCE element in the..."
    pub fn with_deflate(role: Role, agreed: &Params) -> Self {
        let peers = match role {
            Role::Server => agreed.client(),
            Role::Client => agreed.server(),
        };
        //= rfc7692#section-7.2.2 "Note that even if the client has included the..."
        Self {
            contexts: Contexts::new(None, peers.takeover),
            inflates: true,
            ..Self::new(role)
        }
    }

    /// Returns the state of the closing handshake.
    pub const fn state(&self) -> CloseState {
        self.state
    }

    /// Handles that a close frame of this end was queued.
    pub fn handle_close_sent(&mut self) {
        self.state = self.state.on_send_close();
    }

    /// Fails the connection and discards an incomplete message.
    pub fn handle_failure(&mut self, buffers: &mut DecodeBuffers) {
        self.state = self.state.on_fail();
        self.discard_message(buffers);
    }

    /// Releases an incomplete message and the compression contexts. Nothing may be read or
    /// compressed after that.
    pub fn release(&mut self, buffers: &mut DecodeBuffers) {
        self.discard_message(buffers);
        self.contexts = Contexts::NONE;
    }

    /// Returns the capacity in bytes of the incomplete message.
    pub fn held_bytes(&self) -> usize {
        let assembler = self.assembler.as_ref();
        assembler.map_or(0, |assembler| assembler.message.capacity())
    }

    /// Returns whether a message has begun and is not complete.
    #[inline]
    pub(crate) const fn is_amid_message(&self) -> bool {
        self.assembler.is_some()
    }

    /// Returns the length in bytes of the incomplete message.
    pub(crate) fn message_bytes(&self) -> usize {
        let assembler = self.assembler.as_ref();
        assembler.map_or(0, |assembler| assembler.message.len())
    }

    /// Returns the pace of the incomplete message, if there is one.
    #[inline]
    pub(crate) fn pace_mut(&mut self) -> Option<&mut ReceiveProgress> {
        self.assembler.as_mut().map(|assembler| &mut assembler.pace)
    }

    /// Returns the pace of the incomplete message if it has more than `bytes`.
    pub(crate) fn pace_beyond(&self, bytes: usize) -> Option<ReceiveProgress> {
        let assembler = self.assembler.as_ref()?;
        (assembler.message.len() > bytes).then_some(assembler.pace)
    }

    /// Returns the bytes of memory of the connection's own decompressor.
    pub fn context_bytes(&self) -> usize {
        self.contexts.held_bytes()
    }

    /// Decodes `input` up to the next event. The payload of data frames is unmasked in place as it
    /// is consumed.
    ///
    /// # Errors
    /// Returns the peer's violation. The connection has then failed, and the caller sends a close
    /// frame with the code of the error.
    //= rfc6455#section-6.2 "Incoming data MUST be parsed as WebSocket frames as defined in..."
    //= rfc6455#section-10.7 "Incoming data MUST always be validated by both clients and servers."
    //= rfc6455#section-10.1 "a server should not trust that any input is valid."
    #[inline]
    pub fn poll_event(
        &mut self,
        input: &mut [u8],
        limits: MessageLimits,
        buffers: &mut DecodeBuffers,
    ) -> Result<Step, PeerError> {
        if let Some((kind, range)) = self.plain_message(input, limits) {
            if kind == MessageType::Binary || utf8::is_valid(&input[range.clone()]) {
                let payload = Payload::InPlace(range.clone());
                return Ok(Step::event(
                    range.end,
                    ConnectionEvent::Message { kind, payload },
                ));
            }
            self.handle_failure(buffers);
            return Err(PeerError::InvalidUtf8);
        }
        let step = self.step(input, limits, buffers);
        if step.is_err() {
            self.handle_failure(buffers);
        }
        step
    }

    /// The fast path: a whole, uncompressed, unfragmented message of less than 64 KiB from a client
    /// that masks. Unmasks it. Returns `None`, and changes nothing, for any other input, valid or
    /// not, which the general path handles.
    #[inline]
    fn plain_message(
        &self,
        input: &mut [u8],
        limits: MessageLimits,
    ) -> Option<(MessageType, Range<usize>)> {
        let (kind, second) = match *input {
            [FIN_TEXT, second, ..] => (MessageType::Text, second),
            [FIN_BINARY, second, ..] => (MessageType::Binary, second),
            _ => return None,
        };
        if self.assembler.is_some() || self.role != Role::Server {
            return None;
        }
        let (len, at) = match second {
            0x80..=0xFD => (usize::from(second & 0x7F), 2),
            0xFE => match *input {
                // The shortest form.
                [_, _, high, low, ..] if high > 0 || low > 125 => {
                    (usize::from(u16::from_be_bytes([high, low])), 4)
                }
                _ => return None,
            },
            _ => return None,
        };
        let range = at + 4..at + 4 + len;
        if len > limits.bytes || range.end > input.len() {
            return None;
        }
        let key = [input[at], input[at + 1], input[at + 2], input[at + 3]];
        mask::apply(&mut input[range.clone()], key, 0);
        Some((kind, range))
    }

    fn discard_message(&mut self, buffers: &mut DecodeBuffers) {
        if let Some(assembler) = self.assembler.take() {
            buffers.return_assembler(assembler);
        }
    }

    fn step(
        &mut self,
        input: &mut [u8],
        limits: MessageLimits,
        buffers: &mut DecodeBuffers,
    ) -> Result<Step, PeerError> {
        let mut at = 0;
        loop {
            if let Some(assembler) = &mut self.assembler
                && assembler.remaining > 0
            {
                at += assembler.take(&mut input[at..], &mut buffers.buffers)?;
                if assembler.remaining > 0 {
                    return Ok(Step::more(at));
                }
                if let Some(event) = self.end_frame(limits, buffers)? {
                    return Ok(Step::event(at, event));
                }
            }
            let rest = &mut input[at..];
            self.check_first_bytes(rest)?;
            let Some((header, len)) = Header::parse(rest)? else {
                return Ok(Step::more(at));
            };
            let body = at + len;
            let available = (input.len() - body) as u64;
            //= rfc6455#section-5.4 "An endpoint MUST be capable of handling control frames in..."
            //= rfc6455#section-6.2 "If a control frame (Section 5.5) is received, the frame..."
            if header.opcode.is_control() {
                if available < header.payload_len {
                    return Ok(Step::more(at));
                }
                let range = unmask(input, body, &header);
                let end = range.end;
                let event = match header.opcode {
                    Opcode::Ping => ConnectionEvent::Ping(range),
                    Opcode::Pong => ConnectionEvent::Pong(range),
                    _ => {
                        let code = close::parse(&input[range.clone()])?;
                        self.state = self.state.on_receive_close();
                        let reason = range.start + range.len().min(2)..range.end;
                        ConnectionEvent::Close(code, reason)
                    }
                };
                return Ok(Step::event(end, event));
            }
            self.check_frame(&header, limits)?;
            if header.fin && self.assembler.is_none() && available >= header.payload_len {
                let range = unmask(input, body, &header);
                let end = range.end;
                let event = self.whole_message(&input[range.clone()], &header, limits, buffers)?;
                return Ok(Step::event(
                    end,
                    event.unwrap_or(ConnectionEvent::Message {
                        kind: kind_of(&header),
                        payload: Payload::InPlace(range),
                    }),
                ));
            }
            at = body;
            let assembler = self.assembler.get_or_insert_with(|| {
                let mut assembler = buffers.take_assembler();
                //= rfc6455#section-5.4 "Since control frames cannot be fragmented, the type for..."
                //= rfc6455#section-6.2 "Upon receiving a data frame (Section 5.6), the endpoint..."
                assembler.kind = kind_of(&header);
                assembler.compressed = is_compressed(&header);
                assembler
            });
            assembler.begin_frame(&header);
            if header.payload_len == 0
                && let Some(event) = self.end_frame(limits, buffers)?
            {
                return Ok(Step::event(at, event));
            }
        }
    }

    /// Reports the errors that the first two bytes show before the header is complete.
    fn check_first_bytes(&self, input: &[u8]) -> Result<(), PeerError> {
        //= rfc6455#section-5.2 "If a nonzero value is received and none of the negotiated..."
        if input
            .first()
            .is_some_and(|&first| !self.allows_reserved_bits(first))
        {
            //= rfc7692#section-6.1 "An endpoint receiving such a frame MUST _Fail the WebSocket..."
            return Err(PeerError::ReservedBit);
        }
        //= rfc6455#section-5.1 "The server MUST close the connection upon receiving a frame..."
        //= rfc6455#section-5.1 "A client MUST close a connection if it detects a masked frame."
        match input.get(1).map(|second| second & 0x80 != 0) {
            Some(masked) if masked != self.role.peer_masks() => {
                // An error in the first byte is reported first, however the two arrive.
                Header::parse(&input[..1])?;
                Err(if masked {
                    PeerError::Masked
                } else {
                    PeerError::Unmasked
                })
            }
            _ => Ok(()),
        }
    }

    /// Returns whether the reserved bits that are set in the first byte of a frame have a meaning:
    /// RSV1 has one in the first frame of a message if compression was agreed on.
    //= rfc7692#section-6.1 "An endpoint MUST NOT set the "Per-Message Compressed" bit of..."
    const fn allows_reserved_bits(&self, first: u8) -> bool {
        match first & RESERVED {
            0 => true,
            RSV1 => self.inflates && matches!(first & 0x0F, TEXT | BINARY),
            _ => false,
        }
    }

    /// Checks whether a data frame is allowed at this point, and its length.
    fn check_frame(&self, header: &Header, limits: MessageLimits) -> Result<(), PeerError> {
        let incomplete = self.assembler.as_deref();
        //= rfc6455#section-5.4 "Clients and servers MUST support receiving both fragmented and..."
        //= rfc6455#section-5.4 "The fragments of one message MUST NOT be interleaved between..."
        match (header.opcode, incomplete) {
            (Opcode::Continuation, None) => return Err(PeerError::StrayContinuation),
            (Opcode::Continuation, Some(_)) | (_, None) => {}
            (_, Some(_)) => return Err(PeerError::InterruptedMessage),
        }
        let (before, empty, compressed) = incomplete.map_or((0, 0, is_compressed(header)), |a| {
            (a.message.len(), a.empty_fragments, a.compressed)
        });
        if header.payload_len == 0 && !header.fin && empty >= limits.empty_fragments {
            return Err(PeerError::EmptyFragments);
        }
        //= rfc6455#section-10.4 "Implementations that have implementation- and/or..."
        //= rfc6455#section-10.4 "Such an implementation SHOULD impose a limit on frame sizes..."
        let max = if compressed {
            deflate::max_compressed_len(limits.bytes)
        } else {
            limits.bytes
        };
        if (before as u64).saturating_add(header.payload_len) > max as u64 {
            return Err(PeerError::MessageTooBig);
        }
        Ok(())
    }

    /// Handles a whole message in one frame. Returns its event if the message is not left in place.
    fn whole_message(
        &mut self,
        payload: &[u8],
        header: &Header,
        limits: MessageLimits,
        buffers: &mut DecodeBuffers,
    ) -> Result<Option<ConnectionEvent>, PeerError> {
        let kind = kind_of(header);
        if is_compressed(header) {
            self.inflate(payload, kind, limits, buffers)?;
            let payload = Payload::Assembled;
            return Ok(Some(ConnectionEvent::Message { kind, payload }));
        }
        if kind == MessageType::Text && !utf8::is_valid(payload) {
            return Err(PeerError::InvalidUtf8);
        }
        Ok(None)
    }

    /// Ends the incomplete message if its last frame is complete.
    fn end_frame(
        &mut self,
        limits: MessageLimits,
        buffers: &mut DecodeBuffers,
    ) -> Result<Option<ConnectionEvent>, PeerError> {
        let Some(mut assembler) = self.assembler.take_if(|assembler| assembler.fin) else {
            return Ok(None);
        };
        let kind = assembler.kind;
        let ended = if assembler.compressed {
            //= rfc7692#section-6.2 "...to receive a message in the form of a compressed..."
            self.inflate(&assembler.message, kind, limits, buffers)
        } else {
            //= rfc7692#section-6.2 "...algorithm to receive a message in the form of an..."
            let ended = assembler.finish();
            let message = core::mem::take(&mut assembler.message);
            buffers.buffers.recall(&message);
            buffers.put_message(message);
            ended
        };
        //= rfc6455#section-6.2 "Subsequent data frames MUST be interpreted as belonging to a..."
        buffers.return_assembler(assembler);
        let payload = Payload::Assembled;
        ended.map(|()| Some(ConnectionEvent::Message { kind, payload }))
    }

    fn inflate(
        &mut self,
        compressed: &[u8],
        kind: MessageType,
        limits: MessageLimits,
        buffers: &mut DecodeBuffers,
    ) -> Result<(), PeerError> {
        //= rfc7692#section-6.2 "Decompress the concatenation by following the decompression..."
        let mut message = buffers.buffers.take(compressed.len().saturating_mul(2));
        let codec = &mut buffers.codec;
        let mut inflated = self
            .contexts
            .inflate(codec, compressed, limits.bytes, &mut message);
        if kind == MessageType::Text && !utf8::is_valid(&message) {
            inflated = inflated.and(Err(PeerError::InvalidUtf8));
        }
        buffers.put_message(message);
        inflated
    }
}

/// Unmasks the payload of a frame whose header ends at `body`, and returns its range.
fn unmask(input: &mut [u8], body: usize, header: &Header) -> Range<usize> {
    let range = body..body + header.payload_len as usize;
    let key = header.mask.unwrap_or_default();
    mask::apply(&mut input[range.clone()], key, 0);
    range
}

fn kind_of(header: &Header) -> MessageType {
    match header.opcode {
        Opcode::Text => MessageType::Text,
        _ => MessageType::Binary,
    }
}

const fn is_compressed(header: &Header) -> bool {
    header.rsv & RSV1 != 0
}

/// The reserved bits of a frame's first byte.
const RESERVED: u8 = 0x70;
const TEXT: u8 = Opcode::Text as u8;
const BINARY: u8 = Opcode::Binary as u8;
const FIN_TEXT: u8 = 0x80 | TEXT;
const FIN_BINARY: u8 = 0x80 | BINARY;

#[cfg(test)]
mod tests;
