//! Owns the decoding of one peer's frames into messages: the rules that span
//! frames (fragmentation, §5.4), UTF-8 across them (§8.1), and the limits (§10.4).

use alloc::vec::Vec;

use super::event::{Event, Payload, Step};
use super::state::{Role, State};
use crate::buffers::Buffers;
use crate::error::PeerError;
use crate::wire::header::Header;
use crate::wire::opcode::{Kind, Opcode};
use crate::wire::utf8::Utf8;
use crate::wire::{close, mask};

/// The protocol machine of one peer, from the end of its handshake on.
///
/// Give it what was read with [`poll_event`](Self::poll_event), again and again
/// until it has no more to say, and keep the bytes that it did not consume for
/// the next time. A whole message in the input is unmasked there and not
/// copied; one that comes in pieces is put together in a borrowed buffer that
/// grows with the bytes received, never with a length announced.
#[derive(Debug)]
pub struct Connection {
    /// The pieces so far of a split message.
    message: Vec<u8>,
    /// Payload bytes of the current data frame that are still to come.
    remaining: u64,
    /// Its masking key, turned to the next byte.
    key: [u8; 4],
    utf8: Utf8,
    /// How many of them were empty.
    empty_fragments: u32,
    /// The kind of the message under way.
    kind: Option<Kind>,
    /// Whether the current frame ends it.
    fin: bool,
    role: Role,
    state: State,
}

const _: () = assert!(size_of::<Connection>() <= 96);

/// What a peer may send.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimits {
    /// Bytes of payload in a message.
    pub bytes: usize,
    /// Fragments of a message that have no payload.
    pub empty_fragments: u32,
}

impl Connection {
    /// A connection whose handshake is done.
    pub const fn new(role: Role) -> Self {
        Self {
            message: Vec::new(),
            remaining: 0,
            key: [0; 4],
            utf8: Utf8::new(),
            empty_fragments: 0,
            kind: None,
            fin: false,
            role,
            state: State::Open,
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

    /// Takes what is left of a message that is given up, and fails the connection.
    pub fn handle_failure(&mut self, buffers: &mut Buffers) {
        self.state = self.state.on_fail();
        buffers.give(core::mem::take(&mut self.message));
    }

    /// The message announced as [`Payload::Assembled`]. Give the buffer back to
    /// [`Buffers::give`] when it is no longer needed.
    pub fn take_message(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.message)
    }

    /// Bytes held for a message that has not come to its end.
    pub fn held_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// Reads on in `input` up to the next event. Bytes of data frames are
    /// unmasked in place as they are consumed.
    ///
    /// # Errors
    /// What the peer did wrong. The connection has failed then; the caller
    /// sends the close frame that the error names.
    pub fn poll_event(
        &mut self,
        input: &mut [u8],
        limits: MessageLimits,
        buffers: &mut Buffers,
    ) -> Result<Step, PeerError> {
        let step = self.step(input, limits, buffers);
        if step.is_err() {
            self.handle_failure(buffers);
        }
        step
    }

    fn step(
        &mut self,
        input: &mut [u8],
        limits: MessageLimits,
        buffers: &mut Buffers,
    ) -> Result<Step, PeerError> {
        let mut at = 0;
        loop {
            if self.remaining > 0 {
                at += self.take_piece(&mut input[at..], buffers)?;
                if self.remaining > 0 {
                    return Ok(Step {
                        consumed: at,
                        event: None,
                    });
                }
                if let Some(event) = self.end_frame()? {
                    return Ok(Step {
                        consumed: at,
                        event: Some(event),
                    });
                }
            }
            let rest = &mut input[at..];
            self.check_first_bytes(rest)?;
            let Some((header, len)) = Header::parse(rest)? else {
                return Ok(Step {
                    consumed: at,
                    event: None,
                });
            };
            let body = at + len;
            let here = input.len() - body;
            if header.opcode.is_control() {
                let end = header.payload_len as usize;
                if here < end {
                    return Ok(Step {
                        consumed: at,
                        event: None,
                    });
                }
                let range = body..body + end;
                mask::apply(
                    &mut input[range.clone()],
                    header.mask.unwrap_or_default(),
                    0,
                );
                let event = match header.opcode {
                    Opcode::Ping => Event::Ping(range.clone()),
                    Opcode::Pong => Event::Pong(range.clone()),
                    _ => {
                        let code = close::parse(&input[range.clone()])?;
                        self.state = self.state.on_receive_close();
                        let reason = range.start + range.len().min(2)..range.end;
                        Event::Close(code, reason)
                    }
                };
                return Ok(Step {
                    consumed: range.end,
                    event: Some(event),
                });
            }
            let whole = self.begin_frame(&header, limits)?;
            at = body;
            if whole && here as u64 >= header.payload_len {
                let range = body..body + header.payload_len as usize;
                mask::apply(
                    &mut input[range.clone()],
                    header.mask.unwrap_or_default(),
                    0,
                );
                let kind = self.kind.take().unwrap_or(Kind::Binary);
                self.remaining = 0;
                if kind == Kind::Text && simdutf8::basic::from_utf8(&input[range.clone()]).is_err()
                {
                    return Err(PeerError::InvalidUtf8);
                }
                let consumed = range.end;
                let event = Event::Message {
                    kind,
                    payload: Payload::Here(range),
                };
                return Ok(Step {
                    consumed,
                    event: Some(event),
                });
            }
            if header.payload_len == 0
                && let Some(event) = self.end_frame()?
            {
                return Ok(Step {
                    consumed: at,
                    event: Some(event),
                });
            }
        }
    }

    /// What the first two bytes show to be wrong before the header is complete.
    fn check_first_bytes(&self, input: &[u8]) -> Result<(), PeerError> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.2
        //# If a nonzero value is received and none of the negotiated extensions
        //# defines the meaning of such a nonzero value, the receiving endpoint
        //# MUST _Fail the WebSocket Connection_.
        if input.first().is_some_and(|first| first & 0x70 != 0) {
            return Err(PeerError::ReservedBit);
        }
        //= https://www.rfc-editor.org/rfc/rfc6455#section-5.1
        //# The server MUST close the connection upon receiving a frame that is
        //# not masked.
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

    /// Takes the header of a data frame; says whether the frame is a message of its own.
    fn begin_frame(&mut self, header: &Header, limits: MessageLimits) -> Result<bool, PeerError> {
        let first = match (header.opcode, self.kind) {
            (Opcode::Continuation, None) => return Err(PeerError::StrayContinuation),
            (Opcode::Continuation, Some(_)) => false,
            (_, Some(_)) => return Err(PeerError::InterruptedMessage),
            (Opcode::Text, None) => {
                self.kind = Some(Kind::Text);
                true
            }
            (_, None) => {
                self.kind = Some(Kind::Binary);
                true
            }
        };
        if first {
            self.empty_fragments = 0;
        }
        if header.payload_len == 0 && !header.fin {
            self.empty_fragments += 1;
            if self.empty_fragments > limits.empty_fragments {
                return Err(PeerError::EmptyFragments);
            }
        }
        if (self.message.len() as u64).saturating_add(header.payload_len) > limits.bytes as u64 {
            return Err(PeerError::MessageTooBig);
        }
        self.remaining = header.payload_len;
        self.key = header.mask.unwrap_or_default();
        self.fin = header.fin;
        Ok(first && header.fin)
    }

    /// Takes as much of the current frame's payload as is there.
    fn take_piece(&mut self, input: &mut [u8], buffers: &mut Buffers) -> Result<usize, PeerError> {
        let len = usize::try_from(self.remaining).map_or(input.len(), |n| n.min(input.len()));
        let piece = &mut input[..len];
        mask::apply(piece, self.key, 0);
        self.key.rotate_left(len % 4);
        self.remaining -= len as u64;
        if self.kind == Some(Kind::Text) {
            self.utf8.push(piece)?;
        }
        if self.message.capacity() == 0 && len > 0 {
            let all = usize::try_from(self.remaining).unwrap_or(usize::MAX);
            self.message = buffers.take(all.saturating_add(len));
        }
        self.message.extend_from_slice(piece);
        Ok(len)
    }

    fn end_frame(&mut self) -> Result<Option<Event>, PeerError> {
        if !self.fin {
            return Ok(None);
        }
        self.utf8.finish()?;
        let kind = self.kind.take().unwrap_or(Kind::Binary);
        Ok(Some(Event::Message {
            kind,
            payload: Payload::Assembled,
        }))
    }
}
