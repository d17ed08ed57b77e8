//! Owns the decoding of one peer's frames into messages: the rules that span
//! frames (fragmentation, §5.4), UTF-8 across them (§8.1), compression
//! (RFC 7692), and the limits (§10.4).

use alloc::boxed::Box;
use core::ops::Range;

use crate::proto::ws::assembler::MessageAssembler;
use crate::proto::ws::decode_buffers::DecodeBuffers;
use crate::proto::ws::deflate;
use crate::proto::ws::deflate::{Contexts, Params};
use crate::proto::ws::event::{Event, Payload, Step};
use crate::proto::ws::header::{Header, RSV1};
use crate::proto::ws::message_limits::MessageLimits;
use crate::proto::ws::min_rate::Pace;
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::peer_error::PeerError;
use crate::proto::ws::state::{Role, State};
use crate::proto::ws::{close, mask, utf8};

/// The protocol machine of one peer, from the end of its handshake on.
///
/// Give it what was read with [`poll_event`](Self::poll_event), again and again
/// until it has no more to say, and keep the bytes that it did not consume for
/// the next time. A whole message in the input is unmasked there and not
/// copied; one that comes in pieces or compressed is put together in a borrowed
/// buffer that grows with the bytes received, never with a length announced.
#[derive(Debug)]
pub struct Connection {
    /// The message under way, if it comes in pieces.
    assembly: Option<Box<MessageAssembler>>,
    /// The decompressor, if it is its own.
    contexts: Contexts,
    /// Whether the peer may compress.
    inflates: bool,
    role: Role,
    state: State,
}

const _: () = assert!(size_of::<Connection>() <= 24);

impl Connection {
    /// A connection whose handshake is done.
    pub const fn new(role: Role) -> Self {
        Self {
            assembly: None,
            contexts: Contexts::NONE,
            inflates: false,
            role,
            state: State::Open,
        }
    }

    /// Returns a connection whose handshake is done, and in it permessage-deflate was
    /// agreed on. What this end sends is compressed by a
    /// [`Compressor`](crate::proto::ws::deflate::Compressor).
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

    /// How far the closing handshake has come.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Takes note that a close frame of ours is queued.
    pub fn handle_close_sent(&mut self) {
        self.state = self.state.on_send_close();
    }

    /// Fails the connection, and lets go of a message under way.
    pub fn handle_failure(&mut self, workspace: &mut DecodeBuffers) {
        self.state = self.state.on_fail();
        self.give_up_message(workspace);
    }

    /// Lets go of all that it holds: a message under way, and contexts. Nothing
    /// may be read or compressed after that.
    pub fn release(&mut self, workspace: &mut DecodeBuffers) {
        self.give_up_message(workspace);
        self.contexts = Contexts::NONE;
    }

    /// Bytes held for a message that has not come to its end.
    pub fn held_bytes(&self) -> usize {
        let assembly = self.assembly.as_ref();
        assembly.map_or(0, |assembly| assembly.message.capacity())
    }

    /// Bytes of a message that has not come to its end.
    pub(crate) fn message_bytes(&self) -> usize {
        let assembly = self.assembly.as_ref();
        assembly.map_or(0, |assembly| assembly.message.len())
    }

    /// How fast the message comes that has not come to its end, if there is one.
    #[inline]
    pub(crate) fn pace_mut(&mut self) -> Option<&mut Pace> {
        self.assembly.as_mut().map(|assembly| &mut assembly.pace)
    }

    /// That of one that holds more than `bytes` by now.
    pub(crate) fn pace_beyond(&self, bytes: usize) -> Option<Pace> {
        let assembly = self.assembly.as_ref()?;
        (assembly.message.len() > bytes).then_some(assembly.pace)
    }

    /// Returns the bytes of memory that a decompressor of its own takes.
    pub fn context_bytes(&self) -> usize {
        self.contexts.held_bytes()
    }

    /// Reads on in `input` up to the next event. Bytes of data frames are
    /// unmasked in place as they are consumed.
    ///
    /// # Errors
    /// What the peer did wrong. The connection has failed then; the caller
    /// sends the close frame that the error names.
    //= rfc6455#section-6.2 "Incoming data MUST be parsed as WebSocket frames as defined in..."
    //= rfc6455#section-10.7 "Incoming data MUST always be validated by both clients and servers."
    //= rfc6455#section-10.1 "a server should not trust that any input is valid."
    #[inline]
    pub fn poll_event(
        &mut self,
        input: &mut [u8],
        limits: MessageLimits,
        workspace: &mut DecodeBuffers,
    ) -> Result<Step, PeerError> {
        if let Some((kind, range)) = self.plain_message(input, limits) {
            if kind == MessageType::Binary || utf8::is_valid(&input[range.clone()]) {
                let payload = Payload::InPlace(range.clone());
                return Ok(Step::event(range.end, Event::Message { kind, payload }));
            }
            self.handle_failure(workspace);
            return Err(PeerError::InvalidUtf8);
        }
        let step = self.step(input, limits, workspace);
        if step.is_err() {
            self.handle_failure(workspace);
        }
        step
    }

    /// The short way of most messages: a whole plain one of less than 64 KiB in
    /// one frame, from a client that masks, not split and not compressed. It is
    /// unmasked then. `None`, and nothing is touched, for anything else, right
    /// or wrong, which the rules below are for.
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
        if self.assembly.is_some() || self.role != Role::Server {
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

    fn give_up_message(&mut self, workspace: &mut DecodeBuffers) {
        if let Some(assembly) = self.assembly.take() {
            workspace.end_assembly(assembly);
        }
    }

    fn step(
        &mut self,
        input: &mut [u8],
        limits: MessageLimits,
        workspace: &mut DecodeBuffers,
    ) -> Result<Step, PeerError> {
        let mut at = 0;
        loop {
            if let Some(assembly) = &mut self.assembly
                && assembly.remaining > 0
            {
                at += assembly.take(&mut input[at..], &mut workspace.buffers)?;
                if assembly.remaining > 0 {
                    return Ok(Step::more(at));
                }
                if let Some(event) = self.end_frame(limits, workspace)? {
                    return Ok(Step::event(at, event));
                }
            }
            let rest = &mut input[at..];
            self.check_first_bytes(rest)?;
            let Some((header, len)) = Header::parse(rest)? else {
                return Ok(Step::more(at));
            };
            let body = at + len;
            let here = (input.len() - body) as u64;
            //= rfc6455#section-5.4 "An endpoint MUST be capable of handling control frames in..."
            //= rfc6455#section-6.2 "If a control frame (Section 5.5) is received, the frame..."
            if header.opcode.is_control() {
                if here < header.payload_len {
                    return Ok(Step::more(at));
                }
                let range = unmask(input, body, &header);
                let end = range.end;
                let event = match header.opcode {
                    Opcode::Ping => Event::Ping(range),
                    Opcode::Pong => Event::Pong(range),
                    _ => {
                        let code = close::parse(&input[range.clone()])?;
                        self.state = self.state.on_receive_close();
                        let reason = range.start + range.len().min(2)..range.end;
                        Event::Close(code, reason)
                    }
                };
                return Ok(Step::event(end, event));
            }
            self.check_frame(&header, limits)?;
            if header.fin && self.assembly.is_none() && here >= header.payload_len {
                let range = unmask(input, body, &header);
                let end = range.end;
                let event =
                    self.whole_message(&input[range.clone()], &header, limits, workspace)?;
                return Ok(Step::event(
                    end,
                    event.unwrap_or(Event::Message {
                        kind: kind_of(&header),
                        payload: Payload::InPlace(range),
                    }),
                ));
            }
            at = body;
            let assembly = self.assembly.get_or_insert_with(|| {
                let mut assembly = workspace.begin_assembly();
                //= rfc6455#section-5.4 "Since control frames cannot be fragmented, the type for..."
                //= rfc6455#section-6.2 "Upon receiving a data frame (Section 5.6), the endpoint..."
                assembly.kind = kind_of(&header);
                assembly.compressed = is_compressed(&header);
                assembly
            });
            assembly.begin_frame(&header);
            if header.payload_len == 0
                && let Some(event) = self.end_frame(limits, workspace)?
            {
                return Ok(Step::event(at, event));
            }
        }
    }

    /// What the first two bytes show to be wrong before the header is complete.
    fn check_first_bytes(&self, input: &[u8]) -> Result<(), PeerError> {
        //= rfc6455#section-5.2 "If a nonzero value is received and none of the negotiated..."
        if input.first().is_some_and(|&first| !self.knows_bits(first)) {
            //= rfc7692#section-6.1 "An endpoint receiving such a frame MUST _Fail the WebSocket..."
            return Err(PeerError::ReservedBit);
        }
        //= rfc6455#section-5.1 "The server MUST close the connection upon receiving a frame..."
        //= rfc6455#section-5.1 "A client MUST close a connection if it detects a masked frame."
        match input.get(1).map(|second| second & 0x80 != 0) {
            Some(masked) if masked != self.role.peer_masks() => {
                // A fault of the first byte comes first, however the two arrive.
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

    /// Whether the reserved bits that are set in this first byte of a frame have
    /// a meaning: RSV1 does in the first frame of a message, if compression was
    /// agreed on.
    //= rfc7692#section-6.1 "An endpoint MUST NOT set the "Per-Message Compressed" bit of..."
    const fn knows_bits(&self, first: u8) -> bool {
        match first & RESERVED {
            0 => true,
            RSV1 => self.inflates && matches!(first & 0x0F, TEXT | BINARY),
            _ => false,
        }
    }

    /// Whether a data frame may stand where it stands, and be as long as it is.
    fn check_frame(&self, header: &Header, limits: MessageLimits) -> Result<(), PeerError> {
        let under_way = self.assembly.as_deref();
        //= rfc6455#section-5.4 "Clients and servers MUST support receiving both fragmented and..."
        //= rfc6455#section-5.4 "The fragments of one message MUST NOT be interleaved between..."
        match (header.opcode, under_way) {
            (Opcode::Continuation, None) => return Err(PeerError::StrayContinuation),
            (Opcode::Continuation, Some(_)) | (_, None) => {}
            (_, Some(_)) => return Err(PeerError::InterruptedMessage),
        }
        let (before, empty, compressed) = under_way.map_or((0, 0, is_compressed(header)), |a| {
            (a.message.len(), a.empty_fragments, a.compressed)
        });
        if header.payload_len == 0 && !header.fin && empty >= limits.empty_fragments {
            return Err(PeerError::EmptyFragments);
        }
        //= rfc6455#section-10.4 "Implementations that have implementation- and/or..."
        //= rfc6455#section-10.4 "Such an implementation SHOULD impose a limit on frame sizes..."
        let most = if compressed {
            deflate::ceiling(limits.bytes)
        } else {
            limits.bytes
        };
        if (before as u64).saturating_add(header.payload_len) > most as u64 {
            return Err(PeerError::MessageTooBig);
        }
        Ok(())
    }

    /// Sees to a message that came in one piece; names the event if it is not
    /// to be left where it is.
    fn whole_message(
        &mut self,
        payload: &[u8],
        header: &Header,
        limits: MessageLimits,
        workspace: &mut DecodeBuffers,
    ) -> Result<Option<Event>, PeerError> {
        let kind = kind_of(header);
        if is_compressed(header) {
            self.inflate(payload, kind, limits, workspace)?;
            let payload = Payload::Assembled;
            return Ok(Some(Event::Message { kind, payload }));
        }
        if kind == MessageType::Text && !utf8::is_valid(payload) {
            return Err(PeerError::InvalidUtf8);
        }
        Ok(None)
    }

    /// Ends the message under way, if its last frame has come to its end.
    fn end_frame(
        &mut self,
        limits: MessageLimits,
        workspace: &mut DecodeBuffers,
    ) -> Result<Option<Event>, PeerError> {
        let Some(mut assembly) = self.assembly.take_if(|assembly| assembly.fin) else {
            return Ok(None);
        };
        let kind = assembly.kind;
        let ended = if assembly.compressed {
            //= rfc7692#section-6.2 "...to receive a message in the form of a compressed..."
            self.inflate(&assembly.message, kind, limits, workspace)
        } else {
            //= rfc7692#section-6.2 "...algorithm to receive a message in the form of an..."
            let ended = assembly.finish();
            let message = core::mem::take(&mut assembly.message);
            workspace.buffers.recall(&message);
            workspace.announce(message);
            ended
        };
        //= rfc6455#section-6.2 "Subsequent data frames MUST be interpreted as belonging to a..."
        workspace.end_assembly(assembly);
        let payload = Payload::Assembled;
        ended.map(|()| Some(Event::Message { kind, payload }))
    }

    fn inflate(
        &mut self,
        packed: &[u8],
        kind: MessageType,
        limits: MessageLimits,
        workspace: &mut DecodeBuffers,
    ) -> Result<(), PeerError> {
        //= rfc7692#section-6.2 "Decompress the concatenation by following the decompression..."
        let mut message = workspace.buffers.take(packed.len().saturating_mul(2));
        let codec = &mut workspace.codec;
        let mut inflated = self
            .contexts
            .inflate(codec, packed, limits.bytes, &mut message);
        if kind == MessageType::Text && !utf8::is_valid(&message) {
            inflated = inflated.and(Err(PeerError::InvalidUtf8));
        }
        workspace.announce(message);
        inflated
    }
}

/// Unmasks the payload of a frame whose header ends at `body`; says where it is.
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
