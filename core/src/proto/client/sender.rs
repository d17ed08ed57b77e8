//! Send buffer of a client: frames, each masked with its own key (RFC 6455 §5.3), and the rules
//! across frames (§5.4, §5.5).
//!
//! Does not know whether the connection is open.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::proto::client::error::SendError;
use crate::proto::client::rng::ClientRng;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::header::{Header, MAX_CONTROL, RSV1};
use crate::proto::ws::mask;
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::utf8;
use crate::proto::ws::utf8::Utf8;

/// Bytes to write, in order.
#[derive(Debug)]
pub(super) struct Sender {
    bytes: Vec<u8>,
    /// The number of written bytes at the start of `bytes`.
    written: usize,
    /// The number of bytes that were written and then removed from `bytes`.
    removed: u64,
    rng: ClientRng,
    /// The type of the fragmented message that is being sent, and its UTF-8 state.
    fragments: Option<(MessageType, Utf8)>,
    /// The positions of the ends of unwritten pongs, in the stream of all queued bytes.
    pongs: VecDeque<u64>,
    /// The payload of the latest ping whose pong has no room.
    pending_pong: Option<Vec<u8>>,
}

impl Sender {
    /// Returns a buffer that begins with the bytes of the request.
    pub(super) const fn new(request: Vec<u8>, rng: ClientRng) -> Self {
        Self {
            bytes: request,
            written: 0,
            removed: 0,
            rng,
            fragments: None,
            pongs: VecDeque::new(),
            pending_pong: None,
        }
    }

    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(super) fn handle_transmitted(&mut self, n: usize) {
        self.written = self.bytes.len().min(self.written + n);
        let written = self.removed + self.written as u64;
        while self.pongs.front().is_some_and(|&end| end <= written) {
            self.pongs.pop_front();
        }
        if self.written == self.bytes.len() {
            self.discard();
        } else if self.written >= self.bytes.len() / 2 {
            // Moves no more bytes than were written since the last time.
            self.bytes.drain(..self.written);
            (self.removed, self.written) = (written, 0);
        }
        if let Some(payload) = self.pending_pong.take() {
            self.queue_pong(&payload);
        }
    }

    /// Discards all unwritten bytes.
    pub(super) fn discard(&mut self) {
        self.removed += self.written as u64;
        self.written = 0;
        self.pongs.clear();
        if self.bytes.capacity() > MAX_RETAINED {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    /// Checks that this can be sent as a whole message now.
    pub(super) fn check_message(&self, kind: MessageType, payload: &[u8]) -> Result<(), SendError> {
        if self.fragments.is_some() {
            return Err(SendError::InterruptedMessage);
        }
        if kind == MessageType::Text && !utf8::is_valid(payload) {
            return Err(SendError::InvalidUtf8);
        }
        Ok(())
    }

    /// Queues a whole message, which was checked.
    //= rfc6455#section-6.1 "If the data is being sent by the client, the frame(s) MUST be..."
    pub(super) fn message(&mut self, kind: MessageType, payload: &[u8], compressed: bool) {
        let start = self.bytes.len();
        self.frame(kind.opcode(), true, payload);
        if compressed {
            //= rfc7692#section-6.1 "...outgoing messages, build frame(s) using the compressed..."
            self.bytes[start] |= RSV1;
        }
    }

    /// Queues a fragment of a message.
    pub(super) fn fragment(
        &mut self,
        kind: MessageType,
        payload: &[u8],
        last: bool,
    ) -> Result<(), SendError> {
        let (opcode, mut utf8) = match self.fragments {
            None => (kind.opcode(), Utf8::new()),
            Some((current, utf8)) if current == kind => (Opcode::Continuation, utf8),
            Some(_) => return Err(SendError::InterruptedMessage),
        };
        if kind == MessageType::Text {
            utf8.push(payload)
                .and_then(|()| if last { utf8.finish() } else { Ok(()) })
                .map_err(|_| SendError::InvalidUtf8)?;
        }
        self.fragments = (!last).then_some((kind, utf8));
        self.frame(opcode, last, payload);
        Ok(())
    }

    /// Queues a ping, or a pong of the caller.
    pub(super) fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::LongControl);
        }
        self.frame(opcode, true, payload);
        Ok(())
    }

    /// Queues the pong to a ping with this payload, or remembers it until there is room.
    //= rfc6455#section-5.5.3 "If an endpoint receives a Ping frame and has not yet sent Pong..."
    pub(super) fn queue_pong(&mut self, payload: &[u8]) {
        if self.pongs.len() >= MAX_PONGS {
            self.pending_pong = Some(payload.to_vec());
            return;
        }
        self.frame(Opcode::Pong, true, payload);
        self.pongs.push_back(self.removed + self.bytes.len() as u64);
    }

    /// Queues the close frame, after which nothing may follow. Without a code there is no reason.
    //= rfc6455#section-5.5.1 "Close frames sent from client to server must be masked as per..."
    pub(super) fn close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), SendError> {
        let code = code.map(|code| code.get().to_be_bytes());
        let payload = match &code {
            Some(code) => [code, reason.as_bytes()].concat(),
            None => Vec::new(),
        };
        self.control(Opcode::Close, &payload)?;
        self.pending_pong = None;
        Ok(())
    }

    fn frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        //= rfc6455#section-5.1 "a client MUST mask all frames that it sends to the server"
        let key = self.rng.mask();
        let (header, len) = Header {
            fin,
            //= rfc7692#section-6.1 "...outgoing messages, build frame(s) using the original..."
            rsv: 0,
            opcode,
            mask: Some(key),
            payload_len: payload.len() as u64,
        }
        .encode();
        self.bytes.extend_from_slice(&header[..len]);
        //= rfc6455#section-10.3 "once the transmission of a frame from a client has begun, the..."
        let body = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        mask::apply(&mut self.bytes[body..], key, 0);
    }
}

/// The maximum number of queued pongs; of those beyond it, only the latest is sent.
const MAX_PONGS: usize = 16;
/// The maximum capacity in bytes of an empty buffer.
const MAX_RETAINED: usize = 64 << 10;
