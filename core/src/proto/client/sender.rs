//! Owns what a client has to write: its frames, each masked with a key of its
//! own (RFC 6455 §5.3), and the rules that span them (§5.4, §5.5). Whether the
//! connection is open is for `machine` to know.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::proto::client::error::SendError;
use crate::proto::client::keys::Keys;
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::header::{Header, MAX_CONTROL, RSV1};
use crate::proto::ws::mask;
use crate::proto::ws::opcode::{MessageType, Opcode};
use crate::proto::ws::utf8;
use crate::proto::ws::utf8::Utf8;

/// Bytes to be written, in order.
#[derive(Debug)]
pub(super) struct Sender {
    bytes: Vec<u8>,
    /// How many of them are written.
    written: usize,
    /// How many before them were.
    before: u64,
    keys: Keys,
    /// The kind of the message under way in fragments, and where its text stands.
    fragments: Option<(MessageType, Utf8)>,
    /// Where in all that was ever queued the pongs end that are not written.
    pongs: VecDeque<u64>,
    /// The payload of the latest ping for whose pong there is no room.
    latest: Option<Vec<u8>>,
}

impl Sender {
    /// With the bytes of the request to begin with.
    pub(super) const fn new(request: Vec<u8>, keys: Keys) -> Self {
        Self {
            bytes: request,
            written: 0,
            before: 0,
            keys,
            fragments: None,
            pongs: VecDeque::new(),
            latest: None,
        }
    }

    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(super) fn handle_transmitted(&mut self, n: usize) {
        self.written = self.bytes.len().min(self.written + n);
        let written = self.before + self.written as u64;
        while self.pongs.front().is_some_and(|&end| end <= written) {
            self.pongs.pop_front();
        }
        if self.written == self.bytes.len() {
            self.discard();
        } else if self.written >= self.bytes.len() / 2 {
            // No more bytes are moved than were written since the last time.
            self.bytes.drain(..self.written);
            (self.before, self.written) = (written, 0);
        }
        if let Some(payload) = self.latest.take() {
            self.answer_ping(&payload);
        }
    }

    /// Forgets all that is not written.
    pub(super) fn discard(&mut self) {
        self.before += self.written as u64;
        self.written = 0;
        self.pongs.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    /// Whether this may be sent as a whole message now.
    pub(super) fn check_message(&self, kind: MessageType, payload: &[u8]) -> Result<(), SendError> {
        if self.fragments.is_some() {
            return Err(SendError::InterruptedMessage);
        }
        if kind == MessageType::Text && !utf8::is_valid(payload) {
            return Err(SendError::InvalidUtf8);
        }
        Ok(())
    }

    /// A whole message, checked.
    //= rfc6455#section-6.1 "If the data is being sent by the client, the frame(s) MUST be..."
    pub(super) fn message(&mut self, kind: MessageType, payload: &[u8], compressed: bool) {
        let start = self.bytes.len();
        self.frame(kind.opcode(), true, payload);
        if compressed {
            //= rfc7692#section-6.1 "...outgoing messages, build frame(s) using the compressed..."
            self.bytes[start] |= RSV1;
        }
    }

    /// A piece of a message.
    pub(super) fn fragment(
        &mut self,
        kind: MessageType,
        payload: &[u8],
        last: bool,
    ) -> Result<(), SendError> {
        let (opcode, mut utf8) = match self.fragments {
            None => (kind.opcode(), Utf8::new()),
            Some((begun, utf8)) if begun == kind => (Opcode::Continuation, utf8),
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

    /// A ping, or a pong that the caller wants to go out.
    pub(super) fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::LongControl);
        }
        self.frame(opcode, true, payload);
        Ok(())
    }

    /// The pong to a ping with this payload, now or when there is room.
    //= rfc6455#section-5.5.3 "If an endpoint receives a Ping frame and has not yet sent Pong..."
    pub(super) fn answer_ping(&mut self, payload: &[u8]) {
        if self.pongs.len() >= MAX_PONGS {
            self.latest = Some(payload.to_vec());
            return;
        }
        self.frame(Opcode::Pong, true, payload);
        self.pongs.push_back(self.before + self.bytes.len() as u64);
    }

    /// The close frame, behind which nothing may follow. Without a code there is no reason.
    //= rfc6455#section-5.5.1 "Close frames sent from client to server must be masked as per..."
    pub(super) fn close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), SendError> {
        let code = code.map(|code| code.get().to_be_bytes());
        let payload = match &code {
            Some(code) => [code, reason.as_bytes()].concat(),
            None => Vec::new(),
        };
        self.control(Opcode::Close, &payload)?;
        self.latest = None;
        Ok(())
    }

    fn frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        //= rfc6455#section-5.1 "a client MUST mask all frames that it sends to the server"
        let key = self.keys.mask();
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

/// Pongs that may wait; of those beyond, only the latest goes out.
const MAX_PONGS: usize = 16;
/// Bytes of memory that are kept while nothing waits.
const KEPT: usize = 64 << 10;
